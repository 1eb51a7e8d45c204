package client

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// hold is a lock in the hands of a worker.
type hold struct {
	*worker
	op    uint64
	lock  *leasehold.Lock
	terms history.Terms
	until time.Duration // the last deadline recorded; of the watching goroutine
	tries int           // increments begun
	doubt bool          // a commit's outcome is unknown
}

// work does what the lock is for. Some works go on after the lock is lost, as
// works do that do not look: only the guard then protects the counter.
func (h *hold) work(ctx context.Context) {
	length := between(h.r, 0, 10*time.Millisecond)
	switch kind := h.r.IntN(60); {
	case kind == 0:
		length = between(h.r, 0, 2*h.cfg.TTL) // over some renewals
	case kind <= 2:
		length = between(h.r, 0, 300*time.Millisecond)
	case kind <= 45:
		return // let go of at once: many grants between the faults
	}
	for range 1 + h.r.IntN(2) {
		if h.lock.Held() || h.r.IntN(2) == 0 {
			h.touch(ctx)
		}
	}
	lasting, stop := h.lock.Bind(ctx)
	defer stop()
	h.spend(lasting, length)
	if h.r.IntN(4) == 0 || lasting.Err() != nil && ctx.Err() == nil {
		h.touch(ctx)
	}
}

// increment makes one guarded increment, and records what became of it. It makes
// none after one of unknown outcome: that transaction may still be in progress, and
// a guard keeps others out, not the holder's own transactions apart.
func (h *hold) increment(ctx context.Context) {
	if h.doubt {
		return
	}
	patience := 10 * h.cfg.TTL // longer than any stop
	if h.r.IntN(4) == 0 {
		patience = between(h.r, 0, h.cfg.TTL/4)
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	h.tries++
	e := history.Event{
		Kind: history.Begun, Op: h.op, Name: h.lock.Name(), Fence: h.lock.Fence(),
		ID: fmt.Sprintf("%s/%d/%d", h.name, h.op, h.tries),
	}
	h.record(e)
	outcome, err := h.database.Increment(ctx, h.lock, e.ID, func() {
		if h.lock.Name() != h.cfg.Private && h.told() {
			stopSelf()
		}
		h.think(ctx)
	})
	h.doubt = outcome == database.Unknown
	e.Kind = map[database.Outcome]history.Kind{
		database.Aborted: history.Aborted, database.Committed: history.Acked, database.Unknown: history.Unknown,
	}[outcome]
	e.Detail = describe(err)
	h.record(e)
}

// think passes some time inside a guarded transaction.
func (h *hold) think(ctx context.Context) {
	backoff.Sleep(ctx, between(h.r, 0, database.Think(h.cfg.Database.Kind)))
}

// letGo releases the lock, and sometimes goes on writing, which must fail.
func (h *hold) letGo() {
	ctx, cancel := context.WithTimeout(context.Background(), between(h.r, 0, h.cfg.TTL))
	defer cancel()
	h.record(history.Event{Kind: history.LetGo, Op: h.op, Name: h.lock.Name(), Fence: h.lock.Fence()})
	var err error
	if h.r.IntN(3) == 0 {
		err = h.lock.Close()
	} else {
		err = h.lock.Release(ctx)
	}
	h.record(history.Event{Kind: history.Released, Op: h.op, Name: h.lock.Name(), Fence: h.lock.Fence(), Detail: describe(err)})
	if h.r.IntN(20) == 0 {
		h.touch(context.Background())
	}
}
