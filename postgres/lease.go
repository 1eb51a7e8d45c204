package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// CreateLease implements driver.Conn.
func (c *conn) CreateLease(ctx context.Context, lease driver.Lease) (driver.Renewal, error) {
	r, err := c.renewal(ctx, c.command, func(ctx context.Context, s *session, sql *statements) pgx.Row {
		return s.QueryRow(ctx, sql.createLease, [16]byte(lease.ID), lease.TTL.Milliseconds(),
			lease.Owner, lease.Info.Host, lease.Info.PID, lease.Info.App, s.system, lease.Fixed)
	})
	if errors.Is(err, driver.ErrLeaseGone) {
		err = c.aboveCap(ctx, lease.TTL)
	}
	return r, err
}

// aboveCap returns the error for a lease that was not made.
func (c *conn) aboveCap(ctx context.Context, ttl time.Duration) error {
	return c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		m, err := s.readMeta(ctx, sql)
		if err == nil {
			err = driver.Permanent(&driver.TTLError{TTL: ttl, Cap: m.longest()})
		}
		return err
	})
}

// RenewLease implements driver.Conn. It has a connection of its own.
func (c *conn) RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	return c.renewal(ctx, c.keepalive, func(ctx context.Context, s *session, sql *statements) pgx.Row {
		return s.QueryRow(ctx, sql.renewLease, [16]byte(id), s.system)
	})
}

// renewal runs a statement that returns notice, epoch and whether the epoch is
// that of this server; a new incarnation is recorded before it is reported.
func (c *conn) renewal(ctx context.Context, l *link, query func(context.Context, *session, *statements) pgx.Row) (driver.Renewal, error) {
	var renewal driver.Renewal
	err := c.on(ctx, l, func(ctx context.Context, s *session, sql *statements) error {
		var same bool
		sent := clock.Now()
		err := query(ctx, s, sql).Scan(&renewal.Notice, &renewal.Epoch, &same)
		if errors.Is(err, pgx.ErrNoRows) {
			return driver.ErrLeaseGone
		}
		if err == nil && l == c.keepalive {
			c.renewed(s, sent)
		}
		if err == nil && !same {
			renewal.Epoch, err = s.recordEpoch(ctx, sql)
		}
		return err
	})
	if err != nil {
		return driver.Renewal{}, err
	}
	return renewal, nil
}

// EndLease implements driver.Conn. This store knows no lease to be dead.
func (c *conn) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	var beat, tolerance *int64
	switch {
	case grounds.Own:
	case grounds.Observed != 0:
		n := int64(grounds.Observed)
		beat = &n
	case grounds.Overdue > 0:
		// Rounded up: sooner than asked would be too soon.
		n := (grounds.Overdue + time.Millisecond - 1).Milliseconds()
		tolerance = &n
	}
	var gone bool
	err := c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		return s.QueryRow(ctx, sql.endLease, [16]byte(id), grounds.Own, beat, tolerance).Scan(&gone)
	})
	return gone && err == nil, err
}
