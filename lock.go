package leasehold

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// Lock is one grant in hand. It is safe for concurrent use. Its user closes it,
// also after a loss: only then is everything of it cleared away early.
type Lock struct {
	client *Client
	lease  *keepalive.Lease
	hold   driver.Hold
	since  time.Time // of package clock

	fixed bool // acquired with FixedTTL; set before the Lock is handed out, as the next
	keep  bool // acquired with KeepData

	mu     sync.Mutex              // guards the fields below; nothing else is locked under it
	cause  error                   // why it ended; nil while it is held
	values context.Context         // that of Acquire
	ctx    context.Context         // made when it is first asked for
	cancel context.CancelCauseFunc // of ctx

	letting atomic.Bool // it is being let go of

	known   bool          // outcome is
	outcome error         // what Release returns
	settled chan struct{} // made for those who wait; closed when outcome is known
}

// newLock makes the Lock of a grant. On an error nothing is believed in: the client is
// closing, the lease has ended, or the grant must be seen once more.
func newLock(ctx context.Context, r *request, a *attempt, g news) (*Lock, error) {
	l := &Lock{
		client: r.client, lease: a.lease,
		hold:  driver.Hold{Attempt: a.Attempt, Fence: g.fence, Conn: r.client.conn},
		since: clock.Recent(), values: ctx,
	}
	if !r.client.keep(l) {
		return nil, ErrClosed
	}
	if err := a.lease.Add(l.holding(), g.reads); err != nil {
		r.client.forget(l)
		if err != keepalive.ErrStale {
			err = errLeaseEnded
		}
		return nil, err
	}
	return l, nil
}

// Name returns the name that is locked.
func (l *Lock) Name() string { return l.hold.Name }

// Fence returns the grant's fence: larger than that of every earlier grant of
// this name. Pass it to what the lock protects, to reject smaller ones. It is 0 where the
// store gives none: acquire with Fenced to be refused there.
func (l *Lock) Fence() uint64 {
	if _, none := l.client.conn.(driver.Fenceless); none {
		return 0
	}
	return l.hold.Fence
}

// Owner returns the name under which the lock is held, for people.
func (l *Lock) Owner() string { return l.client.cfg.Owner }

// Context returns the context that ends when the lock is released or lost, and at
// its trust deadline at the latest, whatever hangs. It carries the values of the
// context given to Acquire, not its cancellation. context.Cause tells why it
// ended: ErrReleased, or a *LostError.
func (l *Lock) Context() context.Context {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx == nil {
		l.ctx, l.cancel = context.WithCancelCause(context.WithoutCancel(l.values))
		if l.cause != nil {
			l.cancel(l.cause)
		}
	}
	return l.ctx
}

// end ends the lock's context, unless it has ended.
func (l *Lock) end(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause == nil {
		l.cause = cause
		if l.cancel != nil {
			l.cancel(cause)
		}
	}
}

// ended returns why the lock's context ended, or nil.
func (l *Lock) ended() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cause
}

// Bind returns a context derived from ctx that also ends with the lock, with the
// lock's cause. The caller calls stop when done with it.
func (l *Lock) Bind(ctx context.Context) (bound context.Context, stop context.CancelFunc) {
	bound, cancel := context.WithCancelCause(ctx)
	detach := context.AfterFunc(l.Context(), func() { cancel(l.ended()) })
	return bound, func() {
		detach()
		cancel(context.Canceled)
	}
}

// Held reports whether the lock may be believed in at this instant: now is before
// its trust deadline, and it was neither released nor lost. No I/O. Work that
// asks, and then acts, may be paused in between; see the package documentation.
func (l *Lock) Held() bool { return l.ended() == nil && l.lease.Trusted() }

// Deadline returns the trust deadline: the instant at which the lock is lost unless
// the lease is renewed before, which moves it. It counts time suspended.
func (l *Lock) Deadline() time.Time { return time.Now().Add(clock.Until(l.lease.Deadline())) }

// Overdue reports whether a renewal is late: half of the TTL has passed since the
// last one that succeeded was sent. The lock is still held; it may be lost soon.
func (l *Lock) Overdue() bool { return l.lease.Late() }

// Hold returns what backends need to know of the lock, for their guards.
func (l *Lock) Hold() driver.Hold { return l.hold }

// lose ends the lock. It is called by the keepalive, at most once, and not after
// Release. It does not block.
func (l *Lock) lose(reason error) {
	err := &LostError{Name: l.hold.Name, Fence: l.hold.Fence, Reason: reason}
	l.end(err)
	l.client.spawn(func() {
		l.client.cfg.Logger.Warn("leasehold: a lock was lost", "lock", l.hold.Name, "fence", l.hold.Fence, "err", reason)
		if f := l.client.cfg.Observer.Lost; f != nil {
			f(l, err)
		}
	})
}

// lost returns the *LostError if the lock was lost, or nil.
func (l *Lock) lost() error {
	if lost, ok := l.ended().(*LostError); ok {
		return lost
	}
	return nil
}

// Release gives the lock up: its context ends at once with ErrReleased, then the
// lock is handed to the next waiter. One round trip as a rule, and one commit. It waits for
// that until ctx ends.
//
// Nil: it is released. (If a guarded transaction of its own is still in progress,
// Release does not wait for it: the lock passes on in the background when that
// has ended.) ErrLost: it was lost before; nothing of it is held. ErrOutcomeUnknown:
// ctx ended, or the lease did, before the database answered; the release goes on in
// the background, and ends at the latest when the lease expires. Idempotent:
// further calls wait and return the same.
func (l *Lock) Release(ctx context.Context) error {
	l.letGo(ctx.Done() == nil)
	settled, known := l.settling()
	if known {
		return l.outcome
	}
	select {
	case <-settled:
		return l.outcome
	case <-ctx.Done():
		return opErr("release", l.hold.Name, ErrOutcomeUnknown, ctxErr(ctx))
	}
}

// Close is Release, bounded by the trust deadline as it is now.
func (l *Lock) Close() error {
	l.letGo(true)
	settled, known := l.settling()
	if known {
		return l.outcome
	}
	select {
	case <-settled:
		return l.outcome
	case <-l.lease.Limit():
		return opErr("release", l.hold.Name, ErrOutcomeUnknown, context.DeadlineExceeded)
	}
}

// letGo ends the belief, and starts what ends the hold, or if the caller can wait for that,
// makes the first call for it.
func (l *Lock) letGo(wait bool) {
	if !l.letting.CompareAndSwap(false, true) {
		return
	}
	_, ended := l.lease.Remove(l.holding())
	l.end(ErrReleased)
	lost := l.lost()
	c := l.client
	if ended != nil && lost != nil {
		l.settle(lost) // with the last lock of it, the lease's row goes too
		c.ended(l.hold.Ticket)
		l.lease.Unpin()
		c.forget(l)
		return
	}
	c.tasks.Add(1) // Close waits for locks first, and so not for tasks yet
	e := c.end(l.lease, l.hold.Attempt, func() { l.settle(lost) })
	if wait && clock.Until(l.lease.Deadline()) > c.callTimeout() {
		l.finish(e, lost, e.call())
	} else {
		e.start(func(known bool) { l.finish(e, lost, known) })
	}
}

// finish notes the first result of what ends the hold, and sees to the rest.
func (l *Lock) finish(e *ending, lost error, known bool) {
	if known {
		l.finished(e, lost, true)
	} else {
		go func() { l.finished(e, lost, e.repeat()) }()
	}
}

// finished notes the end of the hold in the store. A revoked lock is let go of like any other.
func (l *Lock) finished(e *ending, lost error, known bool) {
	c := l.client
	defer c.tasks.Done()
	defer c.forget(l)
	defer l.lease.Unpin()
	switch {
	case e.busy >= guardedTries: // it is settled
	case !known && lost == nil:
		l.settle(opErr("release", l.hold.Name, ErrOutcomeUnknown, l.lease.Cause()))
	default:
		l.settle(lost)
	}
	if f := c.cfg.Observer.Released; f != nil && lost == nil {
		f(l, clock.Recent().Sub(l.since))
	}
}

// settle tells everybody what Release returns. It is called once.
func (l *Lock) settle(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.outcome = true, err
	if l.settled != nil {
		close(l.settled)
	}
}

// settling reports whether the outcome is known, or else returns what is closed when it is.
func (l *Lock) settling() (settled <-chan struct{}, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known && l.settled == nil {
		l.settled = make(chan struct{})
	}
	return l.settled, l.known
}

// holding is the Lock as its lease sees it.
type holding struct{ lock *Lock }

func (l *Lock) holding() holding    { return holding{l} }
func (h holding) Hold() driver.Hold { return h.lock.hold }
func (h holding) Lose(reason error) { h.lock.lose(reason) }

var _ keepalive.Holding = holding{}
