package client

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// revoke looks who holds a name, and takes it away from them.
func (w *worker) revoke(ctx context.Context) {
	name := w.anyName()
	ctx, cancel := context.WithTimeout(ctx, w.cfg.TTL)
	defer cancel()
	w.record(history.Event{Kind: history.Asked, Name: name})
	info, err := w.client.Get(ctx, name)
	if err != nil || info.State != leasehold.Held {
		return
	}
	e := history.Event{Kind: history.Revoking, Name: name, Fence: info.Fence}
	w.record(e)
	e.Kind = history.Revoked
	e.Detail = describe(w.client.Revoke(ctx, name, info.Fence, "for a test"))
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
