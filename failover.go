package leasehold

import (
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// A copy of the database that is promoted may lack the last writes. What it lacks of
// our grants the keepalive finds out. What it lacks of our releases stands there as a
// place of ours that nobody will ever give up: a ghost. So after a failover every
// place under our lease whose ticket we do not know any more is released again.
//
// A ticket is known from before its attempt is first sent until a release of it was
// answered by the present incarnation.

// ended makes a ticket unknown.
func (c *Client) ended(ticket driver.ID) {
	w := c.waits
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tickets, ticket)
}

// endedBy makes a ticket unknown after an answer to a call that was sent when failover was
// what is given. It reports false, and does nothing, if there was one since.
func (c *Client) endedBy(ticket driver.ID, failover int64) bool {
	w := c.waits
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.failover.Load() != failover {
		return false
	}
	delete(w.tickets, ticket)
	return true
}

func (c *Client) knows(ticket driver.ID) bool {
	w := c.waits
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.tickets[ticket]
	return ok
}

// failedOver is told by the keepalive that the lease goes on in another incarnation.
func (c *Client) failedOver(lease *keepalive.Lease) {
	c.waits.mu.Lock()
	c.failover.Add(1)
	c.waits.mu.Unlock()
	c.spawn(func() {
		c.cfg.Logger.Warn("leasehold: the database was failed over or restored", "lease", lease.ID.String())
		c.waits.hint("") // places may be missing
		c.exorcise(lease)
	})
}

// exorcise releases the ghosts of the lease.
func (c *Client) exorcise(lease *keepalive.Lease) {
	for pause := range backoff.Seq(10*time.Millisecond, time.Second) {
		view, err := c.read(c.closing, driver.Query{Lease: lease.ID})
		if err == nil {
			for _, l := range view.Locks {
				c.releaseUnknown(lease, l)
			}
			return
		}
		c.storeFailed("read", err)
		if !sleepUntil(lease.Ended(), pause) || c.closing.Err() != nil {
			return
		}
	}
}

// releaseUnknown lets go of the places in the row that are the lease's and not known.
func (c *Client) releaseUnknown(lease *keepalive.Lease, l driver.Lock) {
	for p := range l.Places() {
		if p.Lease == lease.ID && !c.knows(p.Ticket) {
			a := driver.Attempt{Name: l.Name, Lease: p.Lease, Ticket: p.Ticket}
			c.spawn(func() { c.letGo(lease, a, func() {}) })
		}
	}
}
