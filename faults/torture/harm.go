package torture

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// fault is one kind of harm, done to the client in one place, or to all.
type fault struct {
	name string
	// common: it is done to all. Otherwise it is done to half of the places at a
	// time, at the most.
	common bool
	// do does it, and heals it after length, or when ctx ends. It reports false if
	// it could not be done.
	do func(ctx context.Context, place int, length time.Duration) bool
}

// harm does something every now and then, until ctx ends and everything is healed.
func (t *trial) harm(ctx context.Context, w *history.Writer) {
	r := rand.New(rand.NewPCG(t.Seed, 1))
	free := make(chan int, t.Clients)
	for place := range t.Clients / 2 {
		free <- place // the others are left in peace: somebody must see the harm
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for backoff.Sleep(ctx, between(r, t.TTL/5, t.TTL)) && ctx.Err() == nil {
		faults := t.arena.faults()
		f := faults[r.IntN(len(faults))]
		length := between(r, t.TTL/4, t.TTL*2)
		if f.common {
			t.once(ctx, w, f, outside, "", between(r, 0, t.TTL/2))
			continue
		}
		select {
		case place := <-free:
			wg.Go(func() {
				t.once(ctx, w, f, place, processOf(place), length)
				free <- place
			})
		default:
		}
	}
}

// once does one fault. It is recorded before it is done.
func (t *trial) once(ctx context.Context, w *history.Writer, f fault, place int, process string, length time.Duration) {
	w.Record(history.Event{Kind: history.Fault, Client: process, Detail: f.name})
	detail := f.name
	if !f.do(ctx, place, length) {
		detail += ", refused"
	}
	w.Record(history.Event{Kind: history.Healed, Client: process, Detail: detail})
}

func between(r *rand.Rand, from, to time.Duration) time.Duration {
	return from + time.Duration(r.Int64N(int64(to-from)+1))
}
