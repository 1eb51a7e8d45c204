package explore

import (
	"errors"
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// errLost is the error of a call whose reply was lost.
var errLost = errors.New("the reply was lost")

func (w *world) canRenew(c *client) bool {
	used := c.attempt.open() || c.ghosts
	return used && !c.lease.IsZero() && c.trust.Cause == nil && c.renewal.phase == renewalIdle &&
		c.drawn < w.now && c.trust.MayRenew(local(c.number, w.now))
}

// renew sends a renewal, and may lose the reply.
func (w *world) renew(c *client, lost bool) {
	c.drawn = w.now
	if row := w.db.lease(c.lease); row != nil && int(row.client) != c.number {
		w.broken = "a lease is renewed by another client than its own"
	}
	r, ok := w.db.renew(c.lease, w.now)
	if ok && w.db.recorded != w.db.incarnation {
		w.record()
		r.Epoch = w.db.number
	}
	switch {
	case lost:
	case ok:
		c.renewal = renewal{phase: renewalAnswered, sent: byte(w.now), reply: r}
	default:
		c.renewal = renewal{phase: renewalRefused, sent: byte(w.now)}
	}
}

// finishRenewal lets all that belongs to a renewal happen at the same instant.
func (w *world) finishRenewal(c *client) {
	if c.renewal.phase != renewalIdle {
		w.renewed(c)
	}
	if c.renewal.phase == renewalAsking {
		w.reread(c)
		w.known(c, nil)
	}
}

// renewed takes the reply to a renewal.
func (w *world) renewed(c *client) {
	r := &c.renewal
	switch {
	case c.trust.Cause != nil:
		c.renewal = renewal{}
	case r.phase == renewalRefused:
		w.end(c, keepalive.ErrLeaseGone)
	case c.trust.Settled(r.reply):
		w.extend(c)
	default:
		c.trust.Reread()
		if a := &c.attempt; a.phase == attemptHolding {
			hold := a.hold(w.db.locks[a.name].Name)
			r.held = &hold
		}
		r.phase = renewalAsking
	}
}

func (w *world) reread(c *client) {
	c.renewal.phase, c.renewal.rows = renewalRead, slices.Clone(w.db.locks)
}

// known takes the rows, or the news that they could not be read.
func (w *world) known(c *client, err error) {
	r := c.renewal
	failover := c.trust.Learn(r.reply, err)
	if err != nil || c.trust.Cause != nil {
		c.renewal = renewal{}
		return
	}
	a := &c.attempt
	if r.held != nil && a.phase == attemptHolding && a.ticket == r.held.Ticket {
		if keepalive.Verdict(&r.rows[a.name], *r.held, failover) != nil {
			a.phase = attemptLost
		}
	}
	c.ghosts = c.ghosts || failover
	w.extend(c)
}

func (w *world) extend(c *client) {
	c.trust.Extend(local(c.number, int(c.renewal.sent)), local(c.number, w.now))
	c.renewal = renewal{}
}

// end ends the trust: every lock under the lease is lost.
func (w *world) end(c *client, cause error) {
	c.trust.Cause = cause
	c.renewal = renewal{}
	c.ghosts = false
	switch a := &c.attempt; a.phase {
	case attemptHolding:
		a.phase = attemptLost
	case attemptLost, attemptNone, attemptEnded:
	default:
		a.phase = attemptEnded
	}
}

// drop deletes the row of a lease that nothing uses any more.
func (w *world) drop(c *client) {
	w.db.endLease(c.lease, driver.Grounds{Own: true}, w.now)
	c.lease, c.trust.Cause, c.renewal, c.ghosts = driver.ID{}, keepalive.ErrClosed, renewal{}, false
}
