package pglock

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/pglock/internal/table"
)

// SendHeartbeat sends a heartbeat for the lock now. Where heartbeats are turned off, it is
// what the lock lives by: the trust deadline is a lease duration, less the margin, from
// now. One statement, which is given a fifth of the lease duration at the most.
//
// ErrLockAlreadyReleased: the lock was released or lost, or only read. Any other error: it
// is not known whether the heartbeat succeeded; the lock is held until its trust deadline,
// and the call may be repeated.
func (c *Client) SendHeartbeat(ctx context.Context, l *Lock) error {
	if l == nil || l.lock == nil || l.IsReleased() {
		return ErrLockAlreadyReleased
	}
	var err error
	if l.client.cfg.heartbeat > 0 {
		err = l.client.table.Beat(ctx, l.lock.Hold().Attempt)
	} else {
		err = l.lock.Extend(ctx)
	}
	if l.IsReleased() || errors.Is(err, leasehold.ErrLost) || errors.Is(err, table.ErrLost) {
		return ErrLockAlreadyReleased
	}
	return typed("heartbeat", err)
}

// ttl is the lease duration as the engine wants it.
func (c *Client) ttl() time.Duration { return c.cfg.lease.Truncate(time.Millisecond) }
