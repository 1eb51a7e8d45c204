package leasehold

import (
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// guardedTries is how often a release that finds its row locked is repeated
// before it is taken to wait for a guard.
const guardedTries = 5

// ending is the end of an attempt in the store, in progress.
type ending struct {
	client *Client
	lease  *keepalive.Lease
	driver.Attempt
	guarded  func() // called once, if the row stays locked by somebody else
	busy     int    // how often it was
	failover int64  // as it was when the call in flight was sent
	pauses   backoff.Pauses
}

func (c *Client) end(lease *keepalive.Lease, a driver.Attempt, guarded func()) *ending {
	return &ending{client: c, lease: lease, Attempt: a, guarded: guarded, pauses: backoff.New(time.Millisecond, 250*time.Millisecond)}
}

// letGo ends an attempt in the store: it repeats Release until the outcome is
// known, or until the lease has ended, which ends the attempt too. It reports
// whether the outcome is known. It calls guarded once, early, if the row stays
// locked by somebody else: then the release follows when that ends.
func (c *Client) letGo(lease *keepalive.Lease, a driver.Attempt, guarded func()) bool {
	e := c.end(lease, a, guarded)
	return e.call() || e.repeat()
}

// call makes one call of Release, and reports whether the outcome is known.
func (e *ending) call() bool {
	e.failover = e.client.failover.Load()
	return e.known(e.client.conn.Release(e.client.callContext(), e.Attempt))
}

// start is call without waiting for the result, which goes to done.
func (e *ending) start(done func(known bool)) {
	c := e.client
	s, ok := c.conn.(driver.Starter)
	if !ok {
		go func() { done(e.call()) }()
		return
	}
	e.failover = c.failover.Load()
	s.StartRelease(c.callContext(), e.Attempt, func(outcome driver.Outcome, err error) { done(e.known(outcome, err)) })
}

// known notes the result of a call, and reports whether it settles the matter.
func (e *ending) known(outcome driver.Outcome, err error) bool {
	switch {
	case err == nil && outcome != driver.Busy:
		// Else the incarnation that answered is gone: ask this one.
		return e.client.endedBy(e.Ticket, e.failover)
	case err != nil:
		e.client.storeFailed("release", err)
	default:
		if e.busy++; e.busy == guardedTries {
			e.guarded()
		}
	}
	return false
}

// repeat calls again until the outcome is known, or the lease has ended.
func (e *ending) repeat() bool {
	for sleepUntil(e.lease.Ended(), e.pauses.Next()) {
		if e.call() {
			return true
		}
	}
	e.client.ended(e.Ticket)
	return false
}

// sleepUntil pauses for d; it reports false if ended was closed first.
func sleepUntil(ended <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
		return false
	}
}
