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

// request is one call of Acquire or TryAcquire: as many attempts as leases are
// lost under it, mostly one.
type request struct {
	client   *Client
	op, name string
	opts     *options
	wait     bool
	started  time.Time
	wake     chan struct{} // holds one: something may have happened

	fence uint64 // of the grant, when r has the lock; else 0

	line       *line    // set once, by enter
	first      bool     // in the line from the beginning; set once, by enter
	prev, next *request // in the line; waiting.mu guards them
}

// request makes a request, and puts it into its line. The caller calls done, if there is
// no error.
func (c *Client) request(ctx context.Context, op, name string, wait bool, opts []Option) (*request, error) {
	o, err := gather(opts, c.conn)
	if err := c.admit(ctx, op, name, err); err != nil {
		return nil, err
	}
	r := &request{client: c, op: op, name: name, opts: o, wait: wait, started: clock.Recent(), wake: make(chan struct{}, 1)}
	c.waits.enter(r)
	return r, nil
}

// admit checks what a request is made of, and registers it. wrong is what is wrong with
// its options.
func (c *Client) admit(ctx context.Context, op, name string, wrong error) error {
	if err := CheckName(name); err != nil {
		return opErr(op, "", err)
	}
	if wrong != nil {
		return opErr(op, name, wrong)
	}
	if ctx.Err() != nil {
		return opErr(op, name, ctxErr(ctx))
	}
	if !c.begin() {
		return opErr(op, name, ErrClosed)
	}
	return nil
}

// done is the end of a request, with or without the lock.
func (r *request) done() {
	r.client.waits.leave(r)
	r.client.tasks.Done()
}

// run is what the first of a line does.
func (r *request) run(ctx context.Context) (*Lock, error) {
	pauses := backoff.New(10*time.Millisecond, time.Second)
	for {
		lock, err := r.attempt(ctx)
		if err == nil {
			if err = r.furnish(ctx, lock); err == nil {
				return r.won(lock), nil
			}
			r.client.waits.forsake(r)
			lock.letGo(false)
		}
		if !r.retry(ctx, err) || !r.sleep(ctx, pauses.Next()) {
			return nil, r.fail(ctx, err)
		}
	}
}

// won notes that r has the lock.
func (r *request) won(l *Lock) *Lock {
	r.fence = l.hold.Fence
	if f := r.client.cfg.Observer.Acquired; f != nil {
		f(l, clock.Recent().Sub(r.started))
	}
	return l
}

// attempt makes one attempt. On an error something of it may be left to the line, if
// ctx has ended. Else all of it is let go of in the background, and then its lease.
func (r *request) attempt(ctx context.Context) (*Lock, error) {
	var a *attempt
	if !r.first {
		a = r.client.waits.placeOf(r)
	}
	if a == nil {
		lease, err := r.pin(ctx)
		if err != nil {
			return nil, err
		}
		a = newAttempt(r, lease)
	}
	for {
		n, err := r.obtain(ctx, a)
		if err == nil {
			var lock *Lock
			if lock, err = newLock(ctx, r, a, n); err == nil {
				return lock, nil
			}
		}
		if err == keepalive.ErrStale {
			continue // asked for again, the row says whether the grant still stands
		}
		if ctx.Err() == nil || err != ctx.Err() {
			a.abandon()
		}
		return nil, err
	}
}

// pin returns a lease, or the error of one attempt to make one.
func (r *request) pin(ctx context.Context) (lease *keepalive.Lease, err error) {
	if ttl := r.opts.ttl(); ttl != 0 {
		lease, err = r.client.keeper.Fixed(ctx, ttl)
	} else {
		lease, err = r.client.keeper.Pin(ctx)
	}
	if err != nil && ctx.Err() == nil && err != ErrClosed {
		r.troubled("create lease", err)
	}
	return lease, err
}

// obtain sends the attempt until it is granted or can go no further.
func (r *request) obtain(ctx context.Context, a *attempt) (news, error) {
	pauses, probes := backoff.New(5*time.Millisecond, time.Second), 0
	for {
		n, err := r.happening(ctx, a)
		if err != nil {
			return news{}, err
		}
		switch n.what {
		case granted:
			return n, nil
		case revoked:
			return news{}, errRevokedEarly
		case queued:
			if f := r.client.cfg.Observer.Queued; f != nil {
				f(r.name, n.ahead)
			}
			continue
		case vanished:
			continue // somebody removed us from the queue: ask again
		case disagrees:
			// Those it is in use by may be dead, all of them.
			if _, changed, err := a.probe(ctx); err != nil || !changed || probes == 3 {
				return news{}, n.err
			}
			probes++
			continue
		case refused:
			held, changed, err := a.probe(ctx)
			if err == nil && (!changed || probes == 3) {
				return news{}, held
			}
			if probes++; err == nil {
				continue
			}
			if r.troubled("read", err); !r.patient() {
				return news{}, err
			}
		default:
			if err := r.failed(a, n.err); err != nil {
				return news{}, err
			}
		}
		if err := r.pause(ctx, a, pauses.Next()); err != nil {
			return news{}, err
		}
	}
}

// happening waits until something has happened to the attempt. It sends the attempt if
// nothing else can happen to it.
func (r *request) happening(ctx context.Context, a *attempt) (news, error) {
	for {
		if n := r.client.waits.step(a); n.what != nothing {
			return n, nil
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
		}
		if err := a.stopped(ctx); err != nil {
			return news{}, err
		}
	}
}

// failed deals with the failure of a call. It returns the error if that is final.
func (r *request) failed(a *attempt, err error) error {
	switch {
	case errors.Is(err, driver.ErrLeaseGone):
		a.lease.Kick() // the keepalive finds out, and ends the lease
	case driver.IsPermanent(err):
		return err
	default:
		if r.troubled("acquire", err); !r.patient() {
			return err
		}
	}
	return nil
}

func (r *request) troubled(op string, err error) {
	w := r.client.waits
	w.mu.Lock()
	r.line.trouble = err
	w.mu.Unlock()
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

// pause pauses; an error says what ended the attempt first.
func (r *request) pause(ctx context.Context, a *attempt, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return nil
		case <-r.wake:
		case <-ctx.Done():
		}
		if err := a.stopped(ctx); err != nil {
			return err
		}
	}
}

// fail returns the error for the caller, given what ended the request.
func (r *request) fail(ctx context.Context, err error) error {
	seen, trouble := r.client.waits.outlook(r)
	var held *HeldError
	var mode *driver.ModeError
	switch {
	case errors.As(err, &held):
		return held
	case errors.As(err, &mode):
		return &ModeError{Name: r.name, Limit: mode.Limit, Asked: r.opts.terms().Limit}
	case r.client.closing.Err() != nil:
		return opErr(r.op, r.name, ErrClosed)
	case ctx.Err() == nil:
		return r.client.failed(r.op, r.name, cmp.Or(trouble, err))
	case trouble != nil:
		return opErr(r.op, r.name, ErrUnavailable, ctxErr(ctx), trouble)
	case seen != nil:
		own := *seen
		own.Cause = ctxErr(ctx)
		return &own
	default:
		return opErr(r.op, r.name, ctxErr(ctx))
	}
}
