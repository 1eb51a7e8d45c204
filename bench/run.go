package main

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
	"github.com/leaseholdgo/leasehold/bench/internal/report"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
)

//go:embed prose.md
var prose string

// run starts the servers, takes the measures chosen, prints each when it is known, and
// writes the document if it is asked for.
func run(ctx context.Context, o options, out, log io.Writer) (err error) {
	if o.render {
		r, err := report.Read(o.out)
		if err != nil {
			return err
		}
		return r.Write(o.out, prose)
	}
	families, needs := measure.Choose(measure.Families(o.quick), o.stores, o.run)
	if len(families) == 0 {
		return fmt.Errorf("no measure of %v matches %q", o.stores, o.run)
	}
	servers, err := server.Start(ctx, needs...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, servers.Close()) }()

	r := &report.Report{Made: time.Now(), Commit: report.Commit(), Findings: new(measure.Findings)}
	if o.out != "" {
		if r.Machine, err = report.Examine(ctx, servers); err != nil {
			return err
		}
	}
	env := &measure.Env{Servers: servers, Quick: o.quick, Rounds: o.rounds, Profile: o.profile, Found: r.Findings}
	if r.Results, err = take(ctx, env, families, o, out, log); err != nil || o.out == "" {
		return err
	}
	return r.Write(o.out, prose)
}

// take takes the measures. One that fails keeps none of the others from being taken.
func take(ctx context.Context, env *measure.Env, families []measure.Family, o options, out, log io.Writer) (all []measure.Result, err error) {
	for _, f := range families {
		start := time.Now()
		results, takeErr := f.Take(env, ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if takeErr != nil {
			err = errors.Join(err, fmt.Errorf("%v: %w", f.Names, takeErr))
		}
		for _, r := range results {
			if o.run.MatchString(r.Name) {
				err = errors.Join(err, write(out, r, o.json))
			}
		}
		all = append(all, results...)
		if !o.quick {
			fmt.Fprintf(log, "bench: %v took %.0f s\n", f.Names, time.Since(start).Seconds())
		}
	}
	return all, err
}

func write(out io.Writer, r measure.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := fmt.Fprintf(out, "%-24s ours %10.4g   floor %10.4g   ratio %6.3f (%.3f to %.3f)  %s\n",
		r.Name, r.Ours, r.Floor, r.Ratio, r.Low, r.High, r.Unit)
	return err
}
