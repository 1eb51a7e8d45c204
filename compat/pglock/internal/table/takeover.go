package table

import (
	"context"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// TakeOver implements driver.Conn. The table is asked on behalf of the first in the queue
// who lives; only if it gives the row is the lock passed on in memory.
func (t *Table) TakeOver(ctx context.Context, name string, gone []driver.ID, _ uint64) error {
	r, err := t.use(ctx, name)
	if err != nil {
		return err
	}
	defer t.done(r)
	next, vacant := t.successor(r, gone)
	switch {
	case !vacant:
		t.removeWaiters(r, gone)
		return nil
	case next.IsZero():
		return t.clear(ctx, r, gone)
	}
	if err := t.take(ctx, r, next); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.taken() {
		machine.TakeOver(&r.lock, t.ended(r, gone), 0, time.Now())
		t.unsee(r)
	}
	return nil
}

// ended returns the leases that are to leave a row that passes on: the holder's, and those
// of waiters who live no more.
func (t *Table) ended(r *row, gone []driver.ID) []driver.ID {
	ended := append(slices.Clone(gone), r.lock.Holder.Lease)
	for _, w := range r.lock.Queue {
		if t.leases[w.Lease] == nil {
			ended = append(ended, w.Lease)
		}
	}
	return ended
}

// successor returns the lease of the first in the queue who lives, zero if there is none,
// and whether the row is to be had.
func (t *Table) successor(r *row, gone []driver.ID) (next driver.ID, vacant bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range r.lock.Queue {
		if t.leases[w.Lease] != nil && !slices.Contains(gone, w.Lease) {
			next = w.Lease
			break
		}
	}
	switch {
	case r.isForeign():
		return next, r.foreign.ended
	case r.own():
		return next, t.leases[r.lock.Holder.Lease] == nil
	default:
		return next, true
	}
}

// removeWaiters removes those whose lease is gone from the queue of a row that is held.
func (t *Table) removeWaiters(r *row, gone []driver.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	holder := r.lock.Holder.Lease
	machine.TakeOver(&r.lock, slices.DeleteFunc(slices.Clone(gone), func(id driver.ID) bool { return id == holder }), 0, time.Now())
}

// clear makes a row free in memory that nobody waits for.
func (t *Table) clear(ctx context.Context, r *row, gone []driver.ID) error {
	t.mu.Lock()
	own := r.own()
	var rows leaving
	if own {
		rows = t.leave(r)
	}
	t.mu.Unlock()
	if err := t.free(ctx, rows); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	dead := r.dead
	machine.TakeOver(&r.lock, t.ended(r, gone), 0, time.Now())
	t.unsee(r)
	if r.dead = dead; own {
		t.disown(r)
	}
	return nil
}
