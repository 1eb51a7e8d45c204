package table

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/machine"
	"github.com/leaseholdgo/leasehold/internal/reply"
)

var errNoStamp = errors.New("the sequence gave no number")

// Acquire implements driver.Conn.
func (t *Table) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	if a.Terms != (driver.Terms{}) {
		return driver.Reply{}, driver.Permanent(fmt.Errorf("anything but locks: %w", driver.ErrUnsupported))
	}
	r, err := t.use(ctx, a.Name)
	if err != nil {
		return driver.Reply{}, err
	}
	defer t.done(r)
	if t.asks(r, a, wait) {
		if err := t.take(ctx, r, a.Lease); err != nil {
			return driver.Reply{}, err
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leases[a.Lease] == nil {
		return driver.Reply{}, driver.ErrLeaseGone
	}
	if r.isForeign() && r.taken() {
		t.unsee(r)
	}
	_, err = machine.Acquire(&r.lock, a, wait, time.Now())
	if r.isForeign() && len(r.lock.Queue) > 0 {
		t.wake()
	}
	return driver.Reply{Lock: r.snapshot(), Epoch: epoch}, err
}

// asks reports whether the table must be asked for the attempt. A client that has had
// the name for its turn lets others have a look first, and so does one that expects an old
// client.
func (t *Table) asks(r *row, a driver.Attempt, wait bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leases[a.Lease] == nil || r.own() || len(r.lock.Queue) > 0 {
		return false
	}
	now := clock.Now()
	switch {
	case !wait || r.isForeign():
	case r.expectsOld(now):
		t.await(r, now, r.old.Add(oldTail))
		return false
	case r.turnOver(now):
		t.await(r, now, r.freed.Add(yield))
		return false
	}
	return true
}

// taken reports whether the row in the table is this client's, though in memory nobody
// has it yet.
func (r *row) taken() bool { return len(r.stamps) > 0 && !r.pending }

// found is what a statement has found in a row.
type found struct {
	taken bool
	rvn   sql.NullInt64
	owner sql.NullString
	data  []byte
	stamp sql.NullInt64
}

func scanFound(rows *sql.Rows) (f found, err error) {
	return f, rows.Scan(&f.taken, &f.rvn, &f.owner, &f.data, &f.stamp)
}

// take makes one attempt to make the row in the table the client's; r.taken tells whether
// it is. The lease is that under which it would be held.
func (t *Table) take(ctx context.Context, r *row, id driver.ID) error {
	leave, err := t.enterLane(ctx)
	if err != nil {
		return err
	}
	defer leave()
	stamp, err := t.stamp(ctx)
	if err != nil {
		return t.failed(r, err)
	}
	t.mu.Lock()
	name, wish, expected := r.lock.Name, t.wishes[r.lock.Name], t.expected(r)
	r.stamps, r.pending, r.leaving = append(slices.Clip(r.stamps), stamp), true, false
	r.keep, r.lease = wish.Keep, id
	r.sent = clock.Now()
	t.mu.Unlock()

	replies, err := query(ctx, t, t.sql.take, scanFound, name, stamp, bytes(wish.Data), t.cfg.Owner, wish.Replace, numbers(expected))
	if err != nil {
		if reply.Refused(err) {
			t.withdraw(r, stamp)
		}
		return t.failed(r, err)
	}
	t.answered(r, stamp, replies)
	return nil
}

// withdraw notes that the statement with the stamp did nothing, and never will.
func (t *Table) withdraw(r *row, stamp int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(r.stamps, stamp); i >= 0 {
		r.stamps = slices.Delete(slices.Clone(r.stamps), i, i+1)
	}
	if len(r.stamps) == 0 {
		t.disown(r)
	}
}

// bytes makes data a value that drivers take for NULL only if it is nil.
func bytes(data []byte) any {
	if data == nil {
		return nil
	}
	return data
}

// answered notes the reply to a statement that wanted the row, with a stamp.
func (t *Table) answered(r *row, stamp int64, replies []found) {
	now := clock.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if w, ok := t.wishes[r.lock.Name]; ok {
		w.failing = time.Time{}
		t.wishes[r.lock.Name] = w
	}
	if len(replies) > 0 && replies[0].taken {
		t.took(r, stamp, replies[0])
		return
	}
	// This stamp was not written, and can still be used, unless a renewal expects it. Earlier
	// ones may be on their way; and a renewal may have found one of them, and have
	// overtaken this statement.
	i := slices.Index(r.stamps, stamp)
	if i >= 0 && i == len(r.stamps)-1 {
		t.stamps = append(t.stamps, stamp)
	}
	t.haunt(r, slices.DeleteFunc(slices.Clone(r.stamps), func(s int64) bool { return s == stamp }))
	t.disown(r)
	if len(replies) > 0 && replies[0].rvn.Valid {
		t.see(r, replies[0].rvn.Int64, replies[0].owner.String, now)
		return
	}
	t.await(r, now, now.Add(pollPause(0))) // somebody took it at this moment
}

// took notes that the row was given the stamp.
func (t *Table) took(r *row, stamp int64, f found) {
	t.stamps = append(t.stamps, f.stamp.Int64)
	r.pending, r.data = false, f.data
	if i := slices.Index(r.stamps, stamp); i >= 0 { // else it was renewed meanwhile
		t.haunt(r, r.stamps[:i])
		r.stamps, r.rvn = slices.Clone(r.stamps[i:]), stamp
	}
	now := clock.Now()
	if now.Sub(r.freed) > yield {
		r.turn = now
	}
}

// disown notes that the row in the table bears none of the stamps.
func (t *Table) disown(r *row) { r.stamps, r.pending, r.leaving = nil, false, false }

// failed notes that a statement for an acquisition has failed, and returns the error,
// marked as permanent when patience is over.
func (t *Table) failed(r *row, err error) error {
	t.dropStamps()
	t.mu.Lock()
	defer t.mu.Unlock()
	w, ok := t.wishes[r.lock.Name]
	if !ok || w.Patience == 0 {
		return err
	}
	if w.failing.IsZero() {
		w.failing = clock.Now()
		t.wishes[r.lock.Name] = w
	} else if clock.Since(w.failing) > w.Patience {
		return driver.Permanent(err)
	}
	return err
}
