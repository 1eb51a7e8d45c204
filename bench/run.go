package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
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

// take takes the measures. One that fails keeps none of the others from being taken. In a
// quick run those that count, at the end of the list, are taken at the same time.
func take(ctx context.Context, env *measure.Env, families []measure.Family, o options, out, log io.Writer) (all []measure.Result, err error) {
	timed := len(families)
	for o.quick && timed > 0 && families[timed-1].Counts {
		timed--
	}
	add := func(results []measure.Result, takeErr error) {
		all, err = append(all, results...), errors.Join(err, takeErr)
		for _, r := range results {
			if o.run.MatchString(r.Name) {
				err = errors.Join(err, write(out, r, o.json))
			}
		}
	}
	for _, f := range families[:timed] {
		if ctx.Err() == nil {
			add(takeFamily(ctx, env, f, log))
		}
	}
	outcomes := make([]func(), len(families[timed:]))
	var wg sync.WaitGroup
	for i, f := range families[timed:] {
		wg.Go(func() {
			results, err := takeFamily(ctx, env, f, log)
			outcomes[i] = func() { add(results, err) }
		})
	}
	wg.Wait()
	for _, outcome := range outcomes {
		outcome()
	}
	return all, cmp.Or(context.Cause(ctx), err)
}

func takeFamily(ctx context.Context, env *measure.Env, f measure.Family, log io.Writer) ([]measure.Result, error) {
	start := time.Now()
	results, err := f.Take(env, ctx)
	if err != nil {
		return results, fmt.Errorf("%s: %w", strings.Join(f.Names, ", "), err)
	}
	fmt.Fprintf(log, "bench: %s: %.1f s\n", strings.Join(f.Names, ", "), time.Since(start).Seconds())
	return results, nil
}

func write(out io.Writer, r measure.Result, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(out).Encode(r)
	}
	_, err := fmt.Fprintf(out, "%-24s ours %10.4g   floor %10.4g   ratio %6.3f (%.3f to %.3f)  %s\n",
		r.Name, r.Ours, r.Floor, r.Ratio, r.Low, r.High, r.Unit)
	return err
}
