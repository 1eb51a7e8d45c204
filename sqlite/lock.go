package sqlite

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// Acquire implements driver.Conn.
func (c *conn) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	return result(func(done func(driver.Reply, error)) { c.StartAcquire(ctx, a, wait, done) })
}

// StartAcquire implements driver.Starter.
func (c *conn) StartAcquire(ctx context.Context, a driver.Attempt, wait bool, done func(driver.Reply, error)) {
	r := &call{Attempt: a, caller: ctx, wait: wait}
	c.start(r, func(err error) {
		if err != nil {
			done(driver.Reply{}, err)
			return
		}
		if r.reply.Lock.Ahead(a.Place()) >= 0 {
			c.expect(a)
		}
		done(r.reply, nil)
	})
}

// Release implements driver.Conn. When the file is locked for too long, by a
// guarded transaction for one, it looks whether the attempt holds: then the
// outcome is Busy.
func (c *conn) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	return result(func(done func(driver.Outcome, error)) { c.StartRelease(ctx, a, done) })
}

// StartRelease implements driver.Starter.
func (c *conn) StartRelease(ctx context.Context, a driver.Attempt, done func(driver.Outcome, error)) {
	c.forget(a)
	r := &call{Attempt: a, caller: ctx, release: true}
	c.start(r, func(err error) {
		switch {
		case err == nil:
			done(r.outcome, nil)
		case isBusy(err):
			c.examine(ctx, a, err, done)
		default:
			done(driver.Absent, err)
		}
	})
}

// examine ends a release that failed because the file was locked.
func (c *conn) examine(ctx context.Context, a driver.Attempt, failure error, done func(driver.Outcome, error)) {
	err := c.spawn(ctx, func() {
		if c.holds(ctx, a) {
			done(driver.Busy, nil)
		} else {
			done(driver.Absent, failure)
		}
	})
	if err != nil {
		done(driver.Absent, failure)
	}
}

// result returns what the function passed to start is told.
func result[T any](start func(done func(T, error))) (value T, err error) {
	told := make(chan struct{})
	start(func(v T, e error) {
		value, err = v, e
		close(told)
	})
	<-told
	return value, err
}

func (c *conn) holds(ctx context.Context, a driver.Attempt) bool {
	l, err := read(ctx, c, c.reader, func(tx *tx) (*driver.Lock, error) { return tx.lock(a.Name) })
	return err == nil && l.HeldBy(a.Place())
}

// TakeOver implements driver.Conn.
func (c *conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	_, err := write(ctx, c, func(tx *tx) (none struct{}, err error) {
		l, err := tx.lock(name)
		if err == nil && machine.TakeOver(l, gone, ended, tx.now) {
			err = tx.store(l)
		}
		return none, err
	})
	return err
}

// Revoke implements driver.Conn.
func (c *conn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	_, err := write(ctx, c, func(tx *tx) (none struct{}, err error) {
		l, err := tx.lock(name)
		if err != nil {
			return none, err
		}
		mark.At = tx.now
		inForce, changed := machine.Revoke(l, fence, mark, tx.now)
		switch {
		case !inForce:
			return none, driver.ErrNotHeld
		case !changed:
			return none, nil
		}
		if err := tx.store(l); err != nil {
			return none, err
		}
		if grant, ok := l.GrantUnder(fence); ok {
			err = tx.exec(`UPDATE leasehold_lease SET notice = notice + 1 WHERE id = ?`, grant.Lease[:])
		}
		return none, err
	})
	return err
}

// SetData implements driver.DataKeeper.
func (c *conn) SetData(ctx context.Context, a driver.Attempt, data []byte, keep bool) error {
	_, err := write(ctx, c, func(tx *tx) (none struct{}, err error) {
		l, err := tx.lock(a.Name)
		if err != nil {
			return none, err
		}
		held, changed := machine.SetData(l, a.Place(), data, keep)
		switch {
		case !held:
			return none, driver.ErrNotHeld
		case changed:
			err = tx.store(l)
		}
		return none, err
	})
	return err
}
