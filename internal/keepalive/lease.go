package keepalive

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// Holding is a lock under a lease, as the lease sees it. It is comparable.
type Holding interface {
	// Hold returns what is held.
	Hold() driver.Hold
	// Lose ends the lock. It is called at most once, and must not block.
	Lose(cause error)
}

// Lease is one lease of this client. It is safe for concurrent use.
type Lease struct {
	ID     driver.ID
	ttl    time.Duration
	keeper *Keeper
	ctx    context.Context // ends with the trust
	cancel context.CancelFunc
	kicked chan struct{} // holds one request to renew at once

	// What trust says, for those who need not agree with the rest of it. Written under mu.
	reads atomic.Int64
	epoch atomic.Uint64

	mu       sync.Mutex // guards the fields below
	trust    Trust
	uses     int
	holdings map[Holding]struct{}
	limit    chan struct{} // closed at the deadline as it is, or was until limitOf
	limitOf  time.Time     // the deadline that limit is about
	own      bool          // made by Fixed: it is for one use
	fixed    bool          // renewed when Extend asks for it, and not else
	asked    []chan struct{}
}

// start makes the Lease of a row that was just created, with no use yet.
func start(k *Keeper, id driver.ID, ttl time.Duration, sent time.Time, r driver.Renewal) *Lease {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Lease{
		ID: id, ttl: ttl, keeper: k, ctx: ctx, cancel: cancel,
		trust:    NewTrust(ttl, sent, r),
		kicked:   make(chan struct{}, 1),
		holdings: map[Holding]struct{}{},
	}
	l.epoch.Store(r.Epoch)
	k.wg.Go(l.watch)
	k.wg.Go(l.renewals)
	if w, ok := k.cfg.Conn.(driver.Watcher); ok {
		k.wg.Go(func() { l.listen(w) })
	}
	return l
}

// Deadline returns the trust deadline, an instant of package clock.
func (l *Lease) Deadline() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.Deadline()
}

// Limit returns a channel that is closed at the trust deadline as it is now, whether that
// moves or not. It is shared, so that asking for it costs little.
func (l *Lease) Limit() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if deadline := l.trust.Deadline(); l.limit == nil || l.limitOf != deadline {
		limit := make(chan struct{})
		l.limit, l.limitOf = limit, deadline
		time.AfterFunc(clock.Until(deadline), func() { close(limit) })
	}
	return l.limit
}

// Trusted reports whether the lease may be believed in at this instant.
func (l *Lease) Trusted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.At(clock.Now())
}

// Late reports whether a renewal is late: the last one that succeeded was sent
// more than one and a half intervals ago. Where nobody renews, none is late.
func (l *Lease) Late() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.fixed && clock.Since(l.trust.Sent) > Interval(l.ttl)*3/2
}

// Ended returns a channel that is closed when the trust in the lease has ended.
func (l *Lease) Ended() <-chan struct{} { return l.ctx.Done() }

// Cause returns why the trust ended, or nil.
func (l *Lease) Cause() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trust.Cause
}

func (l *Lease) pin() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.trust.At(clock.Recent()) { // Add sees to what this may miss
		return false
	}
	l.uses++
	return true
}

// Unpin ends one use. The last one of a lease that has ended deletes its row, so
// that its locks need not wait to be expired. The last one of a lease made by Fixed
// ends it.
func (l *Lease) Unpin() {
	l.mu.Lock()
	l.uses--
	last := l.uses == 0 && l.trust.Cause != nil
	own := l.own
	l.mu.Unlock()
	switch {
	case last:
		l.keeper.drop(l)
	case own:
		l.retire()
	}
}

// Reads returns a number to give to Add, taken before the call is sent that led to
// the grant.
func (l *Lease) Reads() int { return int(l.reads.Load()) }

// Add puts a granted lock under the lease. On an error it is not under it: ErrExpired,
// or what ended the lease; or ErrStale: the rows were read again since Reads
// returned reads, so the grant may have ended meanwhile, and must be seen once more.
func (l *Lease) Add(h Holding, reads int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.trust.Admit(reads, clock.Now()); err != nil {
		return err
	}
	l.holdings[h] = struct{}{}
	return nil
}

// Remove takes a lock out. It reports whether it was there: if so, Lose was not
// called for it and will not be; and why the trust in the lease has ended, or nil.
func (l *Lease) Remove(h Holding) (there bool, cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_, there = l.holdings[h]
	delete(l.holdings, h)
	return there, l.trust.Cause
}

// SawEpoch tells the lease which incarnation of the database answered a call.
func (l *Lease) SawEpoch(epoch uint64) {
	if l.epoch.Load() == epoch {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trust.SawEpoch(epoch) {
		l.kick()
	}
}

// Kick asks for a renewal at once, unless nothing but Extend renews the lease.
func (l *Lease) Kick() { l.kick() }

func (l *Lease) kick() {
	select {
	case l.kicked <- struct{}{}:
	default:
	}
}

// watch waits for the trust deadline, and makes no call.
func (l *Lease) watch() {
	for {
		left := clock.Until(l.Deadline())
		if left <= 0 {
			l.end(ErrExpired)
			return
		}
		if !backoff.Sleep(l.ctx, clock.Sooner(left)) {
			return
		}
	}
}

// listen ends the trust when the store says that the lease has ended.
func (l *Lease) listen(w driver.Watcher) {
	if err := w.Watch(l.ctx, l.ID); errors.Is(err, driver.ErrLeaseGone) {
		l.end(gone(err))
	}
}

// gone returns the cause of the end of a lease of which the store says err.
func gone(err error) error {
	if err == driver.ErrLeaseGone {
		return ErrLeaseGone
	}
	return &goneError{err}
}

// end ends the trust. The contexts of all locks end before anybody else is told.
func (l *Lease) end(cause error) {
	l.mu.Lock()
	if l.trust.Cause != nil {
		l.mu.Unlock()
		return
	}
	l.trust.Cause = cause
	lost := l.holdings
	l.holdings = nil
	used := l.uses > 0
	l.mu.Unlock()

	for h := range lost {
		h.Lose(cause)
	}
	l.cancel()
	l.keeper.forget(l)
	if used {
		l.keeper.cfg.Ended(cause)
	} else {
		l.keeper.drop(l)
	}
}

// retire ends the lease if nothing uses it, and reports whether it did.
func (l *Lease) retire() bool {
	l.mu.Lock()
	idle := l.uses == 0 && l.trust.Cause == nil
	if idle {
		l.trust.Cause = errIdle // no pin succeeds from here on
	}
	l.mu.Unlock()
	if idle {
		l.cancel()
		l.keeper.forget(l)
		l.keeper.drop(l)
	}
	return idle
}
