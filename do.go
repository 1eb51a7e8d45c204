package leasehold

import (
	"context"
	"errors"
)

// Do acquires name as Acquire does with the options, runs fn, and releases the lock, also when fn
// panics. fn's context is derived from ctx and ends with the lock.
//
// The error is that of the acquisition, if fn was not run; else fn's own, as it is.
// If the lock was lost before fn returned, the error matches ErrLost too, even if
// fn returned nil. A failing release is not fn's failure, and is not returned: the
// lock passes on at the latest when the lease expires.
func (c *Client) Do(ctx context.Context, name string, fn func(ctx context.Context, lock *Lock) error, opts ...Option) error {
	lock, err := c.Acquire(ctx, name, opts...)
	if err != nil {
		return err
	}
	return lock.run(ctx, fn)
}

// TryDo is Do with TryAcquire: for cron, at once or ErrHeld.
func (c *Client) TryDo(ctx context.Context, name string, fn func(ctx context.Context, lock *Lock) error, opts ...Option) error {
	lock, err := c.TryAcquire(ctx, name, opts...)
	if err != nil {
		return err
	}
	return lock.run(ctx, fn)
}

func (l *Lock) run(ctx context.Context, fn func(ctx context.Context, lock *Lock) error) error {
	defer l.Close()
	bound, stop := l.Bind(ctx)
	defer stop()
	err := fn(bound, l)
	if lost := l.lost(); lost != nil {
		return errors.Join(err, lost)
	}
	return err
}
