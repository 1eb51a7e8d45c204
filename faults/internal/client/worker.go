package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// worker is one goroutine that takes locks, works under them and lets them go.
type worker struct {
	*session
	names []string
	r     *rand.Rand
}

func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		switch n := w.r.IntN(2000); {
		case n < 40:
			w.revoke(ctx)
		case n < 60:
			w.list(ctx)
		case n < 61:
			w.burst(ctx)
		default:
			w.cycle(ctx)
		}
		backoff.Sleep(ctx, between(w.r, 0, 5*time.Millisecond))
	}
}

// Bursts returns the names of bursts.
func Bursts() (names []string) {
	for i := range 80 {
		names = append(names, fmt.Sprintf("burst/%02d", i))
	}
	return names
}

// burst acquires many names at a time and lets go of each at once, so that stores have large
// batches to make.
func (w *worker) burst(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, between(w.r, time.Millisecond, w.cfg.TTL))
	defer cancel()
	var all sync.WaitGroup
	for _, name := range Bursts() {
		one := &worker{session: w.session, names: w.names, r: rand.New(rand.NewPCG(w.r.Uint64(), 0))}
		all.Go(func() {
			if h := one.ask(ctx, name, w.client.Acquire); h != nil {
				all.Go(h.watch)
				h.letGo()
			}
		})
	}
	all.Wait()
}

// cycle makes one acquisition, or several together, and everything that follows from it.
func (w *worker) cycle(ctx context.Context) {
	var holds []*hold
	if name := w.wanted(); way(name) == together {
		holds = w.acquireAll(ctx)
	} else if h := w.acquire(ctx, name); h != nil {
		holds = []*hold{h}
	}
	var watching sync.WaitGroup
	for _, h := range holds {
		watching.Go(h.watch)
	}
	for _, h := range holds {
		h.work(ctx)
	}
	for _, h := range holds {
		h.letGo()
	}
	watching.Wait()
}

// acquire tries, or waits for a random time; a wait may be cancelled.
func (w *worker) acquire(ctx context.Context, name string) *hold {
	acquire := w.client.Acquire
	patience := between(w.r, time.Millisecond, 3*time.Second)
	switch w.r.IntN(8) {
	case 0, 1:
		acquire, patience = w.client.TryAcquire, 3*time.Second
	case 2: // gives up while the call is in flight
		patience = between(w.r, 0, 5*time.Millisecond)
	case 3: // waits for as long as the session lasts
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return w.ask(ctx, name, acquire)
}

// ask makes one acquisition, which ends with ctx at the latest.
func (w *worker) ask(ctx context.Context, name string, acquire func(context.Context, string, ...leasehold.Option) (*leasehold.Lock, error)) *hold {
	op := w.ops.Add(1)
	terms, options := w.terms(name)
	w.record(history.Event{Kind: history.Called, Op: op, Name: name, Until: deadline(ctx), Terms: terms})
	defer w.waits.begin(name, op)()
	lock, err := acquire(ctx, name, options...)
	if err != nil {
		w.record(history.Event{Kind: history.Refused, Op: op, Name: name, Detail: describe(err)})
		return nil
	}
	return w.hold(op, lock, terms)
}

func (w *worker) anyName() string { return pick(w.r, w.names) }

// wanted returns a name to acquire: mostly one that no other worker of this client
// waits for, so that clients wait for each other.
func (w *worker) wanted() string {
	name := w.anyName()
	for range 3 {
		if !w.waits.any(name) {
			break
		}
		name = w.anyName()
	}
	return name
}

// deadline returns an instant that is not after the end of ctx.
func deadline(ctx context.Context) time.Duration {
	now := history.Now()
	end, _ := ctx.Deadline()
	return now + time.Until(end)
}

// hold records a grant.
func (w *worker) hold(op uint64, lock *leasehold.Lock, terms history.Terms) *hold {
	h := &hold{worker: w, op: op, lock: lock, terms: terms}
	b := observe(lock)
	w.record(history.Event{Kind: history.Granted, At: b.after, Op: op, Name: lock.Name(), Fence: lock.Fence(), Lease: lock.Hold().Lease.String(), Until: b.until, Terms: terms})
	h.until = b.until
	return h
}
