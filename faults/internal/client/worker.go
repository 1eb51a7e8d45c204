package client

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// worker is one goroutine that takes locks, works under them and lets them go.
type worker struct {
	*session
	names []string
	r     *rand.Rand
}

func (w *worker) run(ctx context.Context) {
	for ctx.Err() == nil {
		w.cycle(ctx)
		pause(ctx, between(w.r, 0, 10*time.Millisecond))
	}
}

// cycle makes one acquisition, and everything that follows from it.
func (w *worker) cycle(ctx context.Context) {
	h := w.acquire(ctx)
	if h == nil {
		return
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		h.watch()
	}()
	h.work(ctx)
	h.letGo()
	<-watched
}

// acquire tries, or waits for a random time; a wait may be cancelled.
func (w *worker) acquire(ctx context.Context) *hold {
	name := w.names[w.r.IntN(len(w.names))]
	op := w.ops.Add(1)
	acquire := w.client.Acquire
	patience := between(w.r, time.Millisecond, 3*time.Second)
	switch w.r.IntN(8) {
	case 0, 1:
		acquire, patience = w.client.TryAcquire, 3*time.Second
	case 2: // gives up while the call is in flight
		patience = between(w.r, 0, 5*time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	w.record(history.Event{Kind: history.Called, Op: op, Name: name})
	lock, err := acquire(ctx, name)
	if err != nil {
		w.record(history.Event{Kind: history.Refused, Op: op, Name: name, Detail: describe(err)})
		return nil
	}
	return w.hold(op, lock)
}

// hold records a grant.
func (w *worker) hold(op uint64, lock *leasehold.Lock) *hold {
	h := &hold{worker: w, op: op, lock: lock}
	b := observe(lock)
	w.record(history.Event{Kind: history.Granted, At: b.after, Op: op, Name: lock.Name(), Fence: lock.Fence(), Until: b.until})
	h.until = b.until
	return h
}
