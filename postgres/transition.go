package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// What is not plain is rarer, and is done by package machine itself, in a transaction
// that locks the row: two round trips, and one more where somebody who holds is removed.

// errBusy says that a guard is in progress, or nothing is granted now.
var errBusy = errors.New("the row cannot be changed now")

// locked is a row under its lock.
type locked struct {
	lock   driver.Lock
	exists bool
	now    time.Time // by the server's clock
	number uint64    // of the epoch
	on     standing
	alive  bool         // the lease asked about is there
	notice driver.ID    // the lease whose notice is to be raised; zero: none
	asks   driver.Place // who gets the reply, and is not notified; zero: nobody
}

// transition has decide change the row of name, and writes what it reports to have
// changed. The error errBusy: nothing was changed, because of a guard or because a grant
// would have been made while nothing is granted; see the standing of the row then.
func (t *turn) transition(ctx context.Context, name string, lease driver.ID, decide func(*locked) (changed bool, err error)) (*locked, error) {
	for range maxRecords {
		row, err := t.begin(ctx, name, lease)
		if err == nil {
			var again bool
			if again, err = t.complete(ctx, row, decide); again {
				continue
			}
		}
		if !t.session.IsClosed() && t.session.inTransaction() {
			if _, rollback := t.session.Exec(ctx, `ROLLBACK`); rollback != nil {
				return row, errors.Join(err, rollback)
			}
		}
		return row, err
	}
	return nil, errChanging
}

// begin locks the row.
func (t *turn) begin(ctx context.Context, name string, lease driver.ID) (*locked, error) {
	var batch pgx.Batch
	batch.Queue(`BEGIN`)
	row := &locked{}
	batch.Queue(t.sql.lockRow, name, [16]byte(lease), t.session.system).QueryRow(func(found pgx.Row) error {
		var r lockRow
		err := found.Scan(append([]any{&row.number, &row.on.same, &row.on.granting, &row.alive}, r.targets()...)...)
		if err != nil {
			return err
		}
		row.now = r.now.UTC()
		row.lock.Name = name
		if row.exists = r.name != nil; row.exists {
			row.lock, err = r.lock()
		}
		return err
	})
	return row, t.session.SendBatch(ctx, &batch).Close()
}

// complete decides, writes and commits. It reports whether it must be done again, because
// somebody else has made the row meanwhile.
func (t *turn) complete(ctx context.Context, row *locked, decide func(*locked) (bool, error)) (again bool, err error) {
	before := row.lock
	changed, err := decide(row)
	if err != nil || !changed {
		return false, err
	}
	granted := newGrants(&before, &row.lock)
	if len(granted) > 0 && (!row.on.same || !row.on.granting) {
		return false, errBusy
	}
	if removes(&before, &row.lock) {
		var name string
		err := t.session.QueryRow(ctx, t.sql.freeRow, before.Name).Scan(&name)
		if errors.Is(err, pgx.ErrNoRows) {
			return false, errBusy
		}
		if err != nil {
			return false, err
		}
	}
	written, err := t.write(ctx, row)
	if err != nil || !written {
		return err == nil, err
	}
	t.wrote()
	for _, g := range granted {
		if g.Place == row.asks {
			continue
		}
		lease, ticket := [16]byte(g.Lease), [16]byte(g.Ticket)
		t.untold = append(t.untold, grant{row.lock.Name, &lease, &ticket, int64(g.Fence)})
	}
	if !row.notice.IsZero() {
		lease := [16]byte(row.notice)
		t.untold = append(t.untold, grant{row.lock.Name, &lease, &[16]byte{}, 0})
	}
	return false, nil
}

// write writes the row and commits. It reports false, and has written nothing, if somebody
// else has made the row.
func (t *turn) write(ctx context.Context, row *locked) (written bool, err error) {
	values, err := values(&row.lock)
	if err != nil {
		return false, err
	}
	statement := t.sql.makeRow
	if row.exists {
		statement = t.sql.writeRow
	}
	var batch pgx.Batch
	batch.Queue(statement, values...)
	if !row.notice.IsZero() {
		batch.Queue(t.sql.raiseNotice, [16]byte(row.notice))
	}
	batch.Queue(`COMMIT`)
	results := t.session.SendBatch(ctx, &batch)
	tag, err := results.Exec()
	return tag.RowsAffected() == 1, errors.Join(err, results.Close())
}

// values returns the columns of the row, its name first.
func values(l *driver.Lock) ([]any, error) {
	column, err := crowdOf(l)
	if err != nil {
		return nil, err
	}
	var crowd *string // jsonb, which is a text, unlike bytea
	if column != nil {
		text := string(column)
		crowd = &text
	}
	var lease, ticket *[16]byte
	var since, markedAt *time.Time
	var by, reason *string
	if l.Holder != (driver.Place{}) {
		lease, ticket, since = (*[16]byte)(&l.Holder.Lease), (*[16]byte)(&l.Holder.Ticket), &l.Since
	}
	if l.Mark != nil {
		by, reason, markedAt = &l.Mark.By, &l.Mark.Reason, &l.Mark.At
	}
	leases, tickets := make([][16]byte, len(l.Queue)), make([][16]byte, len(l.Queue))
	for i, w := range l.Queue {
		leases[i], tickets[i] = w.Lease, w.Ticket
	}
	return []any{l.Name, int64(l.Fence), lease, ticket, since, by, reason, markedAt, leases, tickets, crowd, l.Data}, nil
}

// newGrants returns the grants that are in force after a transition and were not before.
func newGrants(before, after *driver.Lock) (list []driver.Grant) {
	for g := range after.Grants() {
		if !before.HeldBy(g.Place) {
			list = append(list, g)
		}
	}
	return list
}

// removes reports whether somebody who may have a guard holds no more.
func removes(before, after *driver.Lock) bool {
	if before.Limit > 0 {
		return false // no guards on permits
	}
	for g := range before.Grants() {
		if !after.HeldBy(g.Place) {
			return true
		}
	}
	return false
}

// acquireSlowly is Acquire of what is not plain.
func (t *turn) acquireSlowly(ctx context.Context, r *call) (driver.Reply, error) {
	var reply driver.Reply
	err := t.conn.granting(ctx, t.session, t.sql, func() (done bool, on standing, err error) {
		row, err := t.transition(ctx, r.Name, r.Lease, func(row *locked) (bool, error) {
			if !row.alive {
				return false, driver.ErrLeaseGone
			}
			row.asks = r.Place()
			changed, err := machine.Acquire(&row.lock, r.Attempt, r.wait, row.now)
			if err == nil && changed && (!row.on.same || !row.on.granting) {
				return false, errBusy // nobody queues either
			}
			return changed, driver.Permanent(err)
		})
		if errors.Is(err, errBusy) {
			return false, row.on, nil
		}
		if err != nil {
			return false, standing{}, err
		}
		reply = driver.Reply{Lock: row.lock, Epoch: row.number}
		t.session.belongs(row.number, row.on.same)
		return true, row.on, nil
	})
	if err != nil {
		return driver.Reply{}, err
	}
	return reply, nil
}

// releaseSlowly is Release of what is not plain.
func (t *turn) releaseSlowly(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	outcome := driver.Busy
	err := t.conn.granting(ctx, t.session, t.sql, func() (done bool, on standing, err error) {
		row, err := t.transition(ctx, a.Name, a.Lease, func(row *locked) (changed bool, _ error) {
			outcome, changed = machine.Release(&row.lock, a.Place(), row.now)
			return changed, nil
		})
		switch {
		case errors.Is(err, errBusy):
			outcome = driver.Busy
			return row.on.same && row.on.granting, row.on, nil
		case err != nil:
			return false, standing{}, err
		}
		return true, row.on, nil
	})
	return outcome, err
}

// takeOverSlowly is TakeOver of what is not plain.
func (t *turn) takeOverSlowly(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	return t.conn.granting(ctx, t.session, t.sql, func() (done bool, on standing, err error) {
		row, err := t.transition(ctx, name, driver.ID{}, func(row *locked) (bool, error) {
			return row.exists && machine.TakeOver(&row.lock, gone, ended, row.now), nil
		})
		switch {
		case errors.Is(err, errBusy):
			return row.on.same && row.on.granting, row.on, nil
		case err != nil:
			return false, standing{}, err
		}
		return true, row.on, nil
	})
}

// revokeSlowly is Revoke of what is not plain.
func (t *turn) revokeSlowly(ctx context.Context, name string, fence uint64, m driver.Mark) error {
	_, err := t.transition(ctx, name, driver.ID{}, func(row *locked) (bool, error) {
		m.At = row.now
		grant, held := row.lock.GrantUnder(fence)
		inForce, changed := machine.Revoke(&row.lock, fence, m, row.now)
		if !inForce {
			return false, driver.ErrNotHeld
		}
		if held && changed {
			row.notice = grant.Lease
		}
		return changed, nil
	})
	return err
}

var _ driver.DataKeeper = (*conn)(nil)

// SetData implements driver.DataKeeper. Two round trips.
func (c *conn) SetData(ctx context.Context, a driver.Attempt, data []byte, keep bool) error {
	return c.patiently(ctx, func(ctx context.Context, t *turn) error {
		_, err := t.transition(ctx, a.Name, a.Lease, func(row *locked) (bool, error) {
			held, changed := machine.SetData(&row.lock, a.Place(), data, keep)
			if !held {
				return false, driver.ErrNotHeld
			}
			return changed, nil
		})
		return err
	})
}
