package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// CreateLease implements driver.Conn. The file is locked before the row is
// written, so nobody ever sees a row of a live client without it.
func (c *conn) CreateLease(ctx context.Context, l driver.Lease) (driver.Renewal, error) {
	return do(ctx, c, c.writer, func() (driver.Renewal, error) {
		if !c.intact() {
			return driver.Renewal{}, driver.Permanent(errReplaced)
		}
		if err := c.leases.lock(l.ID); err != nil {
			return driver.Renewal{}, err
		}
		return inTx(c.writer, func(tx *tx) (driver.Renewal, error) {
			err := tx.exec(`
				INSERT INTO leasehold_lease (id, notice, ttl, owner, host, pid, app, created_at, fixed)
				VALUES (?, 0, ?, ?, ?, ?, ?, ?, ?)
				ON CONFLICT (id) DO NOTHING`,
				l.ID[:], l.TTL.Milliseconds(), l.Owner, l.Info.Host, l.Info.PID, l.Info.App, tx.now.UnixMicro(), l.Fixed)
			if err != nil {
				return driver.Renewal{}, err
			}
			return c.renew(tx, l.ID)
		})
	})
}

// RenewLease implements driver.Conn. The beat is written to the lease's file, and
// the database is only read, so a renewal waits for no writer. The lease is gone
// also where others must think so: when its file or the database was taken away.
func (c *conn) RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	return do(ctx, c, c.keeper, func() (driver.Renewal, error) {
		switch {
		case !c.intact():
			return driver.Renewal{}, fmt.Errorf("%w: %w", driver.ErrLeaseGone, errReplaced)
		case !c.leases.kept(id):
			return driver.Renewal{}, fmt.Errorf("%w: its file was deleted", driver.ErrLeaseGone)
		}
		return inTx(c.keeper, func(tx *tx) (driver.Renewal, error) { return c.renew(tx, id) })
	})
}

// renew raises the beat of a lease that has a row.
func (c *conn) renew(tx *tx, id driver.ID) (driver.Renewal, error) {
	r, err := tx.renewal(id)
	if err != nil {
		return r, err
	}
	return r, c.leases.beat(id, tx.now)
}

func (t *tx) renewal(id driver.ID) (r driver.Renewal, err error) {
	err = t.row(`SELECT epoch, notice FROM leasehold_meta, leasehold_lease WHERE id = ?`, id[:]).Scan(&r.Epoch, &r.Notice)
	if errors.Is(err, sql.ErrNoRows) {
		err = driver.ErrLeaseGone
	}
	return r, err
}

// EndLease implements driver.Conn. Grounds other than Own hold only if the
// operating system shows the client to be gone as well, or the lease is fixed.
//
// The beat is in the file, so a renewal may raise it after it was looked at here. No
// client concludes anything from that one: its trust had ended before anybody could have
// seen the beat for long enough.
//
// Own says that nobody uses the lease's locks any more, so children that
// inherited the file do not count.
func (c *conn) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	return do(ctx, c, c.writer, func() (bool, error) {
		ended, err := inTx(c.writer, func(tx *tx) (bool, error) { return c.endLease(tx, id, grounds) })
		if ended && (grounds.Own || !c.leases.alive(id)) {
			err = c.leases.remove(id)
		}
		return ended, err
	})
}

// endLease deletes the row if the grounds hold, and reports whether it is gone.
func (c *conn) endLease(tx *tx, id driver.ID, grounds driver.Grounds) (bool, error) {
	l, err := tx.lease(id)
	if errors.Is(err, sql.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	c.leases.examine(&l, tx.now)
	known := l.Liveness == driver.Dead || l.Liveness == driver.Unknown && !grounds.Dead
	if !grounds.Own && !known || !hold(l, grounds) {
		return false, nil
	}
	err = tx.exec(`DELETE FROM leasehold_lease WHERE id = ?`, id[:])
	return err == nil, err
}

// hold reports whether the grounds hold for a lease that the system does not keep alive.
func hold(l driver.LeaseState, grounds driver.Grounds) bool {
	switch {
	case grounds.Observed != 0:
		return l.Beat == grounds.Observed
	case grounds.Overdue != 0:
		return l.Age > l.TTL+grounds.Overdue
	default:
		return grounds.Own || grounds.Dead
	}
}

// lease reads a row. What the file of the lease says is not in it yet.
func (t *tx) lease(id driver.ID) (l driver.LeaseState, err error) {
	var ttl, created int64
	l.ID = id
	err = t.row(`SELECT ttl, owner, host, pid, app, created_at, fixed FROM leasehold_lease WHERE id = ?`, id[:]).
		Scan(&ttl, &l.Owner, &l.Info.Host, &l.Info.PID, &l.Info.App, &created, &l.Fixed)
	l.TTL = time.Duration(ttl) * time.Millisecond
	l.Age = t.age(time.UnixMicro(created))
	return l, err
}

// age returns the time from an instant to the transaction's; never negative.
func (t *tx) age(from time.Time) time.Duration { return max(t.now.Sub(from), 0) }
