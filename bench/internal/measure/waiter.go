package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// waiting measures the memory of a goroutine that waits for a lock, beyond that of one
// that waits for nothing but the end of its context.
func waiting() Family {
	return Family{
		Store: "postgres", Names: []string{"waiter_bytes", "waiter_bytes_1000_names"},
		Needs: []server.Kind{server.Postgres}, Counts: true, Take: (*Env).takeWaiting,
	}
}

// waiters is how many wait.
const waiters = 10_000

func (e *Env) takeWaiting(ctx context.Context) (results []Result, err error) {
	url, err := e.Servers.Postgres.Create(ctx, "waiting")
	if err != nil {
		return nil, err
	}
	holder, err := side.OpenPostgres(ctx, url, leasehold.Config{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, holder.Close()) }()

	bare, err := e.gather(ctx, "bare", crowdConfig{Waiters: waiters})
	if err != nil {
		return nil, err
	}
	for _, names := range []int{1, 1_000} {
		name := "waiter_bytes"
		if names > 1 {
			name = fmt.Sprintf("waiter_bytes_%d_names", names)
		}
		waiting, err := e.gatherWaiters(ctx, holder, name, crowdConfig{URL: url, Waiters: waiters, Names: names})
		if err != nil {
			return nil, err
		}
		results = append(results, compare(name, "bytes", []float64{waiting.Heap - bare.Heap}, []float64{bare.Heap}))
	}
	return results, nil
}

// gatherWaiters holds the names while a crowd waits for them.
func (e *Env) gatherWaiters(ctx context.Context, holder *side.Ours, name string, cfg crowdConfig) (w Waiting, err error) {
	releases := make([]func(context.Context) error, cfg.Names)
	if err := once(ctx, cfg.Names, func(ctx context.Context, i int) (err error) {
		releases[i], err = holder.Acquire(ctx, side.Name(i))
		return err
	}); err != nil {
		return w, err
	}
	if w, err = e.gather(ctx, name, cfg); err != nil {
		return w, err
	}
	return w, once(ctx, cfg.Names, func(ctx context.Context, i int) error { return releases[i](ctx) })
}

// gather has a fresh process gather a crowd, and returns what each of it costs.
func (e *Env) gather(ctx context.Context, name string, cfg crowdConfig) (w Waiting, err error) {
	process, err := fleet.Start(ctx, crowdRole, cfg)
	if err != nil {
		return w, err
	}
	defer func() { err = errors.Join(err, process.Close()) }()
	if err := process.Receive(&w); err != nil {
		return w, fmt.Errorf("a crowd of %d: %w", cfg.Waiters, err)
	}
	w.Crowd, w.Waiters, w.Names = name, cfg.Waiters, cfg.Names
	e.Found.addWaiting(w)
	return w, nil
}
