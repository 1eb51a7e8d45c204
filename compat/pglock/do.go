package pglock

import "context"

// Do acquires the lock, runs f, and releases the lock, also when f panics. The context
// of f is derived from ctx and ends with the lock: at its trust deadline at the latest.
//
// The error is that of the acquisition, if f was not run; else f's own, as it is. If f
// returned nil and the lock was lost before that, it is ErrLockAlreadyReleased.
//
// When ctx ends while f runs, the lock is held for another lease duration and then given
// up, whether f has returned or not, unless [WithCustomHeartbeatContext] says otherwise.
func (c *Client) Do(ctx context.Context, name string, f func(context.Context, *Lock) error, opts ...LockOption) error {
	within := func(o *lockOptions) { o.heartbeat = ctx }
	l, err := c.AcquireContext(ctx, name, append([]LockOption{within}, opts...)...)
	if err != nil {
		return err
	}
	defer l.Close()
	bound, stop := l.lock.Bind(ctx)
	defer stop()
	err = f(bound, l)
	if err == nil && l.IsReleased() && !l.wasLet() {
		return ErrLockAlreadyReleased
	}
	return err
}

// wasLet reports whether the user has let go of the lock.
func (l *Lock) wasLet() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.let
}
