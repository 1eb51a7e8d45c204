package leasehold

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// Acquire waits its turn for the lock of name, first come first served, and
// returns it held. The caller closes it.
//
// ctx bounds the acquisition only: when it ends, Acquire returns at once, nothing
// of the attempt stays behind, and the error matches ctx's error, and ErrHeld (a
// *HeldError, naming the last holder seen) if it was in the queue. The lock outlives
// ctx. Outages of the database are ridden out until ctx ends; an error that no
// waiting can cure is returned at once. ErrClosed: the client was closed.
//
// The same client acquiring a name it holds waits like anybody else, so a goroutine
// that holds a lock and acquires it again waits for itself until ctx ends.
//
// A free lock costs one round trip and one commit (two when the client had no
// lease); a held one costs the same, then one read about every sixth of the TTL
// for all waiters of the client together, and one read when the turn comes.
func (c *Client) Acquire(ctx context.Context, name string) (*Lock, error) {
	return c.acquire(ctx, "acquire", name, true)
}

// TryAcquire returns the lock of name if it is free, or if its holder is known to
// be dead. Otherwise it holds nothing and the error is a *HeldError, which matches
// ErrHeld. Nobody can overtake waiters with it.
//
// A holder is known to be dead when the store says so, when its lease is gone, or
// when its lease is overdue by more than Config.Tolerance. A failing database is
// tried again for as long as the TTL, then the error matches ErrUnavailable.
//
// One round trip when free, two when held.
func (c *Client) TryAcquire(ctx context.Context, name string) (*Lock, error) {
	return c.acquire(ctx, "try", name, false)
}

func (c *Client) acquire(ctx context.Context, op, name string, wait bool) (*Lock, error) {
	if err := CheckName(name); err != nil {
		return nil, opErr(op, "", err)
	}
	if ctx.Err() != nil {
		return nil, opErr(op, name, ctxErr(ctx))
	}
	if !c.begin() {
		return nil, opErr(op, name, ErrClosed)
	}
	defer c.tasks.Done()
	r := &request{client: c, op: op, name: name, wait: wait, started: clock.Now()}
	return r.run(ctx)
}

// request is one call of Acquire or TryAcquire: as many attempts as leases are
// lost under it, mostly one.
type request struct {
	client  *Client
	op      string
	name    string
	wait    bool
	started time.Time

	trouble error      // the last failure of the store; nil after a success
	seen    *HeldError // the last holder seen while in the queue
}

func (r *request) run(ctx context.Context) (*Lock, error) {
	for pause := range backoff.Seq(10*time.Millisecond, time.Second) {
		lease, err := r.pin(ctx)
		if err == nil {
			var lock *Lock
			lock, err = r.attempt(ctx, lease)
			if err == nil {
				return lock, nil
			}
		}
		if !r.retry(ctx, err) || !r.sleep(ctx, pause) {
			return nil, r.fail(ctx, err)
		}
	}
	return nil, nil // not reached: Seq does not end
}

// pin returns a lease, or the error of one attempt to make one.
func (r *request) pin(ctx context.Context) (*keepalive.Lease, error) {
	lease, err := r.client.keeper.Pin(ctx)
	if err != nil && ctx.Err() == nil && err != ErrClosed {
		r.troubled("create lease", err)
	}
	return lease, err
}

// attempt makes one attempt under a pinned lease. On an error everything that may
// be left of it is let go of in the background, and then the lease unpinned.
func (r *request) attempt(ctx context.Context, lease *keepalive.Lease) (*Lock, error) {
	a := newAttempt(r, lease)
	for {
		g, err := a.obtain(ctx)
		if err == nil {
			var lock *Lock
			if lock, err = newLock(ctx, r, a, g); err == nil {
				return lock, nil
			}
		}
		if err != keepalive.ErrStale {
			a.abandon()
			return nil, err
		}
		// Asked for again, the row says whether the grant still stands.
	}
}

func (r *request) troubled(op string, err error) {
	r.trouble = err
	r.client.storeFailed(op, err)
}

// retry reports whether another attempt may help after err.
func (r *request) retry(ctx context.Context, err error) bool {
	return ctx.Err() == nil && r.client.closing.Err() == nil && r.patient() &&
		!driver.IsPermanent(err) && !errors.Is(err, ErrHeld) && err != ErrClosed
}

// patient reports whether a failing store is to be asked again: a try gives up
// after the TTL.
func (r *request) patient() bool {
	return r.wait || clock.Since(r.started) < r.client.cfg.TTL
}

// sleep pauses; it reports false if ctx or the client ended first.
func (r *request) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-r.client.closing.Done():
		return false
	}
}

// fail returns the error for the caller, given what ended the request.
func (r *request) fail(ctx context.Context, err error) error {
	var held *HeldError
	switch {
	case errors.As(err, &held):
		return held
	case r.client.closing.Err() != nil:
		return opErr(r.op, r.name, ErrClosed)
	case ctx.Err() == nil:
		return r.client.failed(r.op, r.name, cmp.Or(r.trouble, err))
	case r.trouble != nil:
		return opErr(r.op, r.name, ErrUnavailable, ctxErr(ctx), r.trouble)
	case r.seen != nil:
		r.seen.Cause = ctxErr(ctx)
		return r.seen
	default:
		return opErr(r.op, r.name, ctxErr(ctx))
	}
}
