package measure

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// crowdConfig says how many goroutines wait for how many names.
type crowdConfig struct {
	URL     string // empty: they wait for the end of their contexts only
	Waiters int
	Names   int
}

// crowd lets many goroutines wait, each with a context of its own that has a timeout, and
// reports what each costs: the memory then, less the memory before, which has the client
// in it.
func crowd(ctx context.Context, parent *fleet.Parent) (err error) {
	var cfg crowdConfig
	if err := parent.Config(&cfg); err != nil {
		return err
	}
	wait := func(ctx context.Context, _ int) { <-ctx.Done() }
	var queued atomic.Int64
	if cfg.URL != "" {
		client, err := side.OpenPostgres(ctx, cfg.URL, leasehold.Config{
			Observer: leasehold.Observer{Queued: func(string, int) { queued.Add(1) }},
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, client.Close()) }()
		wait = func(ctx context.Context, i int) { _, _ = client.Client.Acquire(ctx, side.Name(i%cfg.Names)) }
		if err := warm(ctx, client.Client); err != nil {
			return err
		}
	}
	before := memory()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer wg.Wait()
	defer cancel()
	var waiting atomic.Int64
	for i := range cfg.Waiters {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			waiting.Add(1)
			wait(ctx, i)
			waiting.Add(-1)
		})
	}
	after, err := settled(ctx, func() int64 { return queued.Load() })
	if err != nil {
		return err
	}
	if n := waiting.Load(); n != int64(cfg.Waiters) {
		return fmt.Errorf("%d wait, not %d", n, cfg.Waiters)
	}
	each := float64(cfg.Waiters)
	return parent.Send(Waiting{Heap: (after.heap - before.heap) / each, Stacks: (after.stacks - before.stacks) / each})
}

// warm makes the client have all that it has when it is at work.
func warm(ctx context.Context, client *leasehold.Client) error {
	lock, err := client.Acquire(ctx, "warm")
	if err != nil {
		return err
	}
	waits, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := client.Acquire(waits, "warm"); !errors.Is(err, leasehold.ErrHeld) {
		return fmt.Errorf("waiting for one's own lock: %w", err)
	}
	return lock.Release(ctx)
}

type footprint struct{ heap, stacks float64 }

func memory() footprint {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what finalizers and pools kept the first time
	runtime.ReadMemStats(&m)
	return footprint{float64(m.HeapAlloc), float64(m.StackInuse)}
}

// settled returns the memory when it has changed no more for a while, and nor has
// progress: everybody waits. An error means that this did not come within a minute.
func settled(ctx context.Context, progress func() int64) (footprint, error) {
	const calm, step = 3, 200 * time.Millisecond
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("they are still on their way after a minute"))
	defer cancel()
	last, seen := memory(), progress()
	for same := 0; same < calm; {
		pause(ctx, step)
		if ctx.Err() != nil {
			return last, context.Cause(ctx)
		}
		now, further := memory(), progress()
		same++
		if further != seen || now.heap > last.heap*1.02 || now.heap < last.heap*0.98 {
			same = 0
		}
		last, seen = now, further
	}
	return last, nil
}
