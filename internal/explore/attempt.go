package explore

import (
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// begin starts an attempt under the lease there is, or under a new one.
func (w *world) begin(c *client, name int) {
	if c.lease.IsZero() || !c.trust.At(local(c.number, w.now)) {
		w.makeLease(c)
	}
	c.tried++
	c.attempt = attempt{
		phase: attemptAsking, name: byte(name), lease: c.lease,
		ticket: ticketID(c.number, int(c.tried)), reads: c.trust.Reads, added: c.trust.Reads, terms: w.bounds.terms(c.number),
	}
	c.watcher = watcher{tracker: liveness.New()}
}

func (w *world) makeLease(c *client) {
	w.record()
	c.leases++
	c.lease = leaseID(c.number, int(c.leases))
	if mutation.On(mutation.SequenceIDs) {
		w.db.sequence++
		c.lease = leaseID(9, int(w.db.sequence))
	}
	if w.db.lease(c.lease) != nil {
		w.broken = "a lease id was given twice"
	}
	r := w.db.create(c.lease, c.number, w.now)
	c.trust = keepalive.NewTrust(ttl, local(c.number, w.now), r)
	c.drawn, c.renewal, c.ghosts = w.now-1, renewal{}, false
}

// waits reports whether the client's attempts wait their turn.
func (w *world) waits(c *client) bool { return !w.bounds.Try || c.number != w.bounds.Clients-1 }

// ask sends Acquire, and may lose the reply.
func (w *world) ask(c *client, lost bool) {
	a := &c.attempt
	if !w.acquire(a, w.waits(c)) || lost {
		return
	}
	a.phase, a.row, a.epoch = attemptAnswered, w.db.locks[a.name], w.db.number
}

// answered takes the reply to Acquire.
func (w *world) answered(c *client) {
	a := &c.attempt
	row := a.row
	a.row = driver.Lock{}
	c.trust.SawEpoch(a.epoch)
	grant, held := row.GrantOf(a.place())
	switch {
	case c.trust.Cause != nil:
		a.phase = attemptEnded
	case held && keepalive.Marked(grant):
		a.phase = attemptLeaving
	case held:
		w.admit(c, grant.Fence, a.reads)
	case w.waits(c):
		a.phase = attemptWaiting
	default:
		a.phase = attemptProbing
	}
}

// hint puts a notification on its way to the one who was granted the lock.
func (w *world) hint(name int, grant driver.Grant) {
	for i := range w.people {
		a := &w.people[i].attempt
		if int(a.name) == name && a.place() == grant.Place && (a.phase == attemptWaiting || a.phase == attemptAnswered) && w.spent.hints < byte(w.bounds.Hints) {
			a.hint = grant.Fence
		}
	}
}

func (w *world) hinted(c *client) {
	fence := c.attempt.hint
	c.attempt.hint = 0
	w.spent.hints++
	w.admit(c, fence, c.attempt.added)
}

// admit hands the lock to the user, if it may be believed in.
func (w *world) admit(c *client, fence uint64, reads int) {
	a := &c.attempt
	switch err := c.trust.Admit(reads, local(c.number, w.now)); err {
	case nil:
		a.phase, a.fence, a.hint, a.satisfied = attemptHolding, fence, 0, true
	case keepalive.ErrStale:
		a.phase, a.reads = attemptAsking, c.trust.Reads
	default:
		a.phase = attemptLeaving
	}
}

// letGo ends the belief. A lock whose lease has ended is let go of by that.
func (w *world) letGo(c *client) {
	c.attempt.phase = attemptLeaving
	if c.trust.Cause != nil {
		c.attempt.phase = attemptEnded
	}
}

// leave sends Release, and may lose the reply.
func (w *world) leave(c *client, lost bool) {
	a := &c.attempt
	if w.release(int(a.name), a.place()) && !lost {
		a.phase, a.hint = attemptEnded, 0
	}
}

// exorcise releases every place under the lease that the client does not know.
func (w *world) exorcise(c *client) {
	left := false
	for i, l := range w.db.locks {
		for p := range l.Places() {
			if p.Lease == c.lease && !p.Ticket.IsZero() && (p.Ticket != c.attempt.ticket || !c.attempt.open()) {
				left = !w.release(i, p) || left
			}
		}
	}
	c.ghosts = left
}
