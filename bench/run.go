package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
)

// run starts the servers, takes the measures chosen, and prints each when it is known.
func run(ctx context.Context, o options, out, log io.Writer) (err error) {
	families, needs := measure.Choose(measure.Families(o.quick), o.stores, o.run)
	if len(families) == 0 {
		return fmt.Errorf("no measure of %v matches %q", o.stores, o.run)
	}
	servers, err := server.Start(ctx, needs...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()

	env := &measure.Env{
		Found:   new(measure.Findings),
		Servers: servers, Quick: o.quick, Rounds: o.rounds, Profile: o.profile,
		Log: func(format string, args ...any) { fmt.Fprintf(log, "bench: "+format+"\n", args...) },
	}
	for _, f := range families {
		results, takeErr := f.Take(env, ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if takeErr != nil { // the others are worth having
			err = errors.Join(err, fmt.Errorf("%v: %w", f.Names, takeErr))
		}
		for _, r := range results {
			if !o.run.MatchString(r.Name) {
				continue
			}
			if err := write(out, r, o.json); err != nil {
				return err
			}
		}
	}
	return err
}

func write(out io.Writer, r measure.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := fmt.Fprintf(out, "%-24s ours %10.4g   floor %10.4g   ratio %6.3f (%.3f to %.3f)  %s\n",
		r.Name, r.Ours, r.Floor, r.Ratio, r.Low, r.High, r.Unit)
	return err
}
