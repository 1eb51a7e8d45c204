package client

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// revoke looks who holds a name, and takes it away from one of them, or ends what keeps it
// taken.
func (w *worker) revoke(ctx context.Context) {
	name := w.anyName()
	ctx, cancel := context.WithTimeout(ctx, w.cfg.TTL)
	defer cancel()
	w.record(history.Event{Kind: history.Asked, Name: name})
	info, err := w.client.Get(ctx, name)
	if err != nil {
		return
	}
	fence := info.Fence
	switch {
	case info.State == leasehold.Held:
		fence = info.Holders[w.r.IntN(len(info.Holders))].Fence
	case info.State != leasehold.Kept:
		return
	}
	e := history.Event{Kind: history.Revoking, Name: name, Fence: fence}
	w.record(e)
	e.Kind = history.Revoked
	e.Detail = describe(w.client.Revoke(ctx, name, fence, "for a test"))
	w.record(e)
}

// list looks at everything, mostly through several pages.
func (w *worker) list(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, between(w.r, time.Millisecond, w.cfg.TTL))
	defer cancel()
	w.record(history.Event{Kind: history.Asked})
	for _, err := range w.client.List(ctx, leasehold.ListOptions{PageSize: 1 + w.r.IntN(5)}) {
		if err != nil {
			return // the server may be down
		}
	}
}
