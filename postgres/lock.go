package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// TakeOver implements driver.Conn.
func (c *conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	ids := make([][16]byte, len(gone))
	for i, id := range gone {
		ids[i] = id
	}
	err := c.patiently(ctx, func(ctx context.Context, t *turn) error {
		var crowded bool
		s := t.session
		err := c.granting(ctx, s, t.sql, func() (done bool, on standing, err error) {
			var silent bool
			err = s.QueryRow(ctx, t.sql.takeOver, name, ids, int64(ended), s.system).
				Scan(&crowded, &done, &on.same, &on.granting, &silent)
			if errors.Is(err, pgx.ErrNoRows) {
				return true, on, nil // nothing to take over
			}
			return crowded || done || on.same && on.granting, on, err
		})
		if err == nil && crowded {
			err = t.takeOverSlowly(ctx, name, gone, ended)
		}
		return err
	})
	if _, paused := asType[*pausedError](err); paused || hasCode(err, codeLockTimeout) {
		return nil // the caller looks again anyway
	}
	return err
}

// Revoke implements driver.Conn.
func (c *conn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	return c.patiently(ctx, func(ctx context.Context, t *turn) error {
		var crowded, silent bool
		err := t.session.QueryRow(ctx, t.sql.revoke, name, int64(fence), mark.By, mark.Reason).Scan(&crowded, &silent)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return driver.ErrNotHeld
		case err == nil && crowded:
			return t.revokeSlowly(ctx, name, fence, mark)
		default:
			return err
		}
	})
}
