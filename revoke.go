package leasehold

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// RevokeOption changes one revocation.
type RevokeOption func(*revokeOptions)

type revokeOptions struct{ waive bool }

// WaiveWait ends the grant at once, without waiting until the holder has learned of
// it. The holder then believes in its lock for up to its TTL beside the next one:
// only a guard, or a resource that checks the fence, still protects.
func WaiveWait() RevokeOption { return func(o *revokeOptions) { o.waive = true } }

// Revoke takes the lock of name away from the holder whose grant has that fence
// (see Get), one of several if it is shared or a permit. The holder's context ends with a *RevokedError when it learns of it:
// by notification, or at its next renewal. The lock passes on when the holder has
// let go, or its lease is gone, or its TTL has passed since the mark; Revoke does
// not wait for that.
//
// Where the holder of that grant has gone, and the name is only kept for the minimum hold of it,
// that ends at once.
//
// ErrNotHeld: nobody holds name under fence; nothing was changed. Revoking twice
// keeps the first mark. One round trip and one commit. The reason is kept with the
// lock and shown to the holder: at most 255 bytes of printable UTF-8.
func (c *Client) Revoke(ctx context.Context, name string, fence uint64, reason string, opts ...RevokeOption) error {
	if err := errors.Join(CheckName(name), checkLabel("reason", reason)); err != nil {
		return opErr("revoke", "", err)
	}
	if !c.begin() {
		return opErr("revoke", name, ErrClosed)
	}
	defer c.tasks.Done()
	var o revokeOptions
	for _, opt := range opts {
		opt(&o)
	}
	call, cancel := context.WithTimeout(ctx, c.callTimeout())
	defer cancel()
	err := c.conn.Revoke(call, name, fence, driver.Mark{By: c.cfg.Owner, Reason: reason})
	switch {
	case errors.Is(err, driver.ErrNotHeld):
		return opErr("revoke", name, ErrNotHeld)
	case err != nil:
		return opErr("revoke", name, kind(err), ErrOutcomeUnknown, err)
	case o.waive:
		return c.endRevoked(ctx, name, fence)
	}
	return nil
}

// endRevoked ends a revoked grant at once. A guard of the holder's delays it: the
// guarded transaction is bounded by the trust in it being complete.
func (c *Client) endRevoked(ctx context.Context, name string, fence uint64) error {
	limit, cancel := context.WithTimeout(ctx, c.cfg.TTL)
	defer cancel()
	for pause := range backoff.Seq(time.Millisecond, 100*time.Millisecond) {
		c.takeOver(name, nil, fence)
		view, err := c.read(limit, driver.Query{Names: []string{name}})
		if err == nil && (len(view.Locks) == 0 || !inForce(view.Locks[0], fence)) {
			return nil
		}
		if !backoff.Sleep(limit, pause) {
			return opErr("revoke", name, errors.New("it is marked, but not ended yet (a guarded transaction of the holder's may be in progress)"), ctxErr(limit))
		}
	}
	return nil // not reached: Seq does not end
}

func inForce(l driver.Lock, fence uint64) bool {
	_, ok := l.GrantUnder(fence)
	return ok
}
