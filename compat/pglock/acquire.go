package pglock

import (
	"context"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/pglock/internal/table"
)

// Acquire is AcquireContext without a bound.
func (c *Client) Acquire(name string, opts ...LockOption) (*Lock, error) {
	return c.AcquireContext(context.Background(), name, opts...)
}

// AcquireContext waits for the lock and returns it held. The caller closes it.
//
// ctx bounds the acquisition only: the lock outlives it. When it ends, the error
// matches ErrNotAcquired and ctx's error, nothing is held, and what an interrupted
// statement may yet do is undone. Failures of the database that may pass are ridden out
// for a lease duration, then the error is an *[UnavailableError],
// *[FailedPreconditionError] or *[OtherError]; others are returned at once.
//
// Goroutines of one client that want one name stand in line, first come first served. Among
// clients nobody has a place: whoever finds the name free first has it. One statement if
// it is free; else one that reads for all who wait in the client, after 2 ms at first, then
// ever later, up to 250 ms.
func (c *Client) AcquireContext(ctx context.Context, name string, opts ...LockOption) (*Lock, error) {
	var o lockOptions
	for _, opt := range opts {
		opt(&o)
	}
	lock, err := c.acquire(ctx, name, &o)
	if err != nil {
		return nil, err
	}
	l := &Lock{client: c, lock: lock, owner: c.cfg.owner}
	l.version, l.data, _ = c.table.Held(lock.Hold().Attempt)
	if o.heartbeat != nil {
		l.endAfter(o.heartbeat)
	}
	return l, nil
}

func (c *Client) acquire(ctx context.Context, name string, o *lockOptions) (*leasehold.Lock, error) {
	if err := ctx.Err(); err != nil {
		return nil, notAcquired(err)
	}
	if !c.turns.enter(ctx, name, o.try) {
		if err := ctx.Err(); err != nil {
			return nil, notAcquired(err)
		}
		return nil, ErrNotAcquired
	}
	defer c.turns.leave(name)
	c.table.Want(name, table.Wish{Data: o.data, Replace: o.replace, Keep: o.keep, Patience: c.cfg.lease})
	defer c.table.Unwant(name)
	acquire, opts := c.engine.Acquire, []leasehold.Option(nil)
	if o.try {
		acquire = c.engine.TryAcquire
	}
	if c.cfg.heartbeat <= 0 {
		opts = append(opts, leasehold.FixedTTL(c.ttl()))
	}
	lock, err := acquire(ctx, name, opts...)
	switch {
	case err == nil:
		return lock, nil
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil, notAcquired(err)
	case errors.Is(err, leasehold.ErrHeld):
		return nil, ErrNotAcquired
	default:
		return nil, typed("acquire", err)
	}
}

// notAcquired joins ErrNotAcquired with what ended the wait.
func notAcquired(err error) error { return fmt.Errorf("%w: %w", ErrNotAcquired, err) }
