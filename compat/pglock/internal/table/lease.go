package table

import (
	"context"
	"slices"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// lease is a lease of the client's. Table.mu guards it.
type lease struct {
	driver.Lease
	notice uint64 // raised when a row under it was lost
}

// CreateLease implements driver.Conn. No I/O: what a lease keeps alive are its rows.
func (t *Table) CreateLease(ctx context.Context, l driver.Lease) (driver.Renewal, error) {
	if err := ctx.Err(); err != nil {
		return driver.Renewal{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leases[l.ID] == nil {
		t.leases[l.ID] = &lease{Lease: l}
	}
	return t.leases[l.ID].renewal(), nil
}

func (l *lease) renewal() driver.Renewal { return driver.Renewal{Epoch: epoch, Notice: l.notice} }

// RenewLease implements driver.Conn: the rows under the lease get a new RVN.
func (t *Table) RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	t.beating()
	if err := t.beat(ctx, func(r *row) bool { return r.lease == id }); err != nil && !t.poolClosed.Load() {
		return driver.Renewal{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if l := t.leases[id]; l != nil && !t.poolClosed.Load() {
		return l.renewal(), nil
	}
	return driver.Renewal{}, driver.ErrLeaseGone
}

// EndLease implements driver.Conn. The end of a lease of the client's frees its rows.
// That of a stand-in is noted; the row in the table is replaced, or not, by whoever wants
// it.
func (t *Table) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	if grounds.Own {
		err := t.endOwn(ctx, id)
		return err == nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.others[id]
	if r == nil {
		return true, nil
	}
	f := &r.foreign
	observed := grounds.Observed != 0 && grounds.Observed == f.beat
	overdue := grounds.Overdue != 0 && clock.Since(f.beats) > t.lease()+grounds.Overdue
	if !observed && !overdue {
		return false, nil
	}
	f.ended, r.dead = true, []int64{f.rvn}
	delete(t.others, id)
	return true, nil
}

// endOwn ends a lease of the client's.
func (t *Table) endOwn(ctx context.Context, id driver.ID) error {
	t.mu.Lock()
	delete(t.leases, id)
	var names []string
	for name, r := range t.rows {
		if r.lease == id && len(r.stamps) > 0 {
			names = append(names, name)
		}
	}
	t.mu.Unlock()
	slices.SortFunc(names, strings.Compare) // who wants several rows takes them in this order
	var rows []*row
	for _, name := range names {
		r, err := t.use(ctx, name)
		if err != nil {
			return err
		}
		defer t.done(r)
		rows = append(rows, r)
	}
	return t.freeAll(ctx, id, rows)
}

// freeAll frees those of the rows that are still under the lease.
func (t *Table) freeAll(ctx context.Context, id driver.ID, rows []*row) error {
	t.mu.Lock()
	rows = slices.DeleteFunc(rows, func(r *row) bool { return r.lease != id || len(r.stamps) == 0 })
	left := t.leave(rows...)
	t.mu.Unlock()
	if err := t.free(ctx, left); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range rows {
		switch {
		case r.pending:
			t.haunt(r, r.stamps)
			t.disown(r)
		case r.lock.Holder.Lease == id:
			t.vacateOwn(r)
		default:
			t.disown(r)
		}
	}
	return nil
}
