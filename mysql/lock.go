package mysql

import (
	"context"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// TakeOver implements driver.Conn.
func (c *conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	err := c.change(ctx, &change{name: name, removes: true, decide: func(row *found) (bool, error) {
		return row.exists && machine.TakeOver(&row.lock, gone, ended, row.now), nil
	}})
	if _, paused := asType[*pausedError](err); paused || errors.Is(err, errLocked) || errors.Is(err, errGuarded) {
		return nil // the caller looks again anyway
	}
	return err
}

// Revoke implements driver.Conn.
func (c *conn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	return c.change(ctx, &change{name: name, decide: func(row *found) (bool, error) {
		mark.At = row.now
		grant, held := row.lock.GrantUnder(fence)
		inForce, changed := machine.Revoke(&row.lock, fence, mark, row.now)
		if !inForce {
			return false, driver.ErrNotHeld
		}
		if held && changed {
			row.notice = grant.Lease
		}
		return changed, nil
	}})
}

// SetData implements driver.DataKeeper. Two round trips.
func (c *conn) SetData(ctx context.Context, a driver.Attempt, data []byte, keep bool) error {
	return c.change(ctx, &change{name: a.Name, lease: a.Lease, decide: func(row *found) (bool, error) {
		held, changed := machine.SetData(&row.lock, a.Place(), data, keep)
		if !held {
			return false, driver.ErrNotHeld
		}
		return changed, nil
	}})
}

// change makes one change, in a turn of its own.
func (c *conn) change(ctx context.Context, ch *change) error {
	if n := len(ch.name); n > maxName {
		return driver.Permanent(fmt.Errorf("a name of %d bytes: want 1 to %d", n, maxName))
	}
	return c.on(ctx, c.command, func(ctx context.Context, s *session) error {
		err := c.patiently(ctx, s, []*change{ch})
		switch {
		case err != nil:
			return err
		case ch.err != nil:
			return ch.err
		case ch.state == locked:
			return errLocked
		case ch.state == guarded:
			return errGuarded
		case ch.state == paused:
			return &pausedError{ch.left}
		}
		return nil
	})
}
