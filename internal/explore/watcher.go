package explore

import (
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// watcher looks at the rows waited for, and clears dead clients out of the way.
type watcher struct {
	tracker *liveness.Tracker
	epoch   uint64

	look *sight // on its way; nil: none
	plan *plan  // to be carried out, a statement at a time; nil: none
}

// sight is one read.
type sight struct {
	view  driver.View
	reads int // of the trust, before it was sent
}

// plan is what one look led to.
type plan struct {
	view     driver.View
	suspects []liveness.Suspect
	ended    []driver.ID
	over     []uint64 // the fence of the grant that may be ended, by name
	next     int      // the name to take over next, when there are no more suspects
}

func (w *world) canLook(c *client) bool {
	a := &c.attempt
	return (a.phase == attemptWaiting || a.phase == attemptProbing) && c.watcher.look == nil && c.watcher.plan == nil
}

func (w *world) look(c *client) {
	c.watcher.look = &sight{view: w.db.read(w.now), reads: c.trust.Reads}
}

// judge takes the reply to a look.
func (w *world) judge(c *client) {
	l, at := c.watcher.look, local(c.number, w.now)
	c.watcher.look = nil
	tracker := c.watcher.tracker.Clone()
	if l.view.Epoch != c.watcher.epoch {
		tracker.Forget()
		c.watcher.epoch = l.view.Epoch
	}
	if c.attempt.phase == attemptProbing {
		tracker = liveness.New()
	}
	rules := liveness.Rules{Self: c.lease, Tolerance: w.bounds.tolerance()}
	p := &plan{view: l.view}
	p.suspects, _ = tracker.Suspects(l.view, at, rules)
	needed := len(p.suspects) > 0
	for _, row := range l.view.Locks {
		over, _ := tracker.Over(row, l.view, at, rules)
		p.over = append(p.over, over)
	}
	for name := range l.view.Locks {
		needed = needed || p.needs(name)
	}
	tracker.Retain(l.view)
	if c.attempt.phase == attemptWaiting {
		c.watcher.tracker = tracker
	}
	if needed {
		c.watcher.plan = p
	}
	w.tell(c, l)
}

// tell says to the attempt what the look shows of it.
func (w *world) tell(c *client, l *sight) {
	a := &c.attempt
	row := &l.view.Locks[a.name]
	grant, held := row.GrantOf(a.place())
	switch {
	case a.phase == attemptProbing:
		a.phase, a.reads = attemptAsking, c.trust.Reads
	case a.phase != attemptWaiting:
	case held && keepalive.Marked(grant):
		a.phase = attemptLeaving
	case held:
		w.admit(c, grant.Fence, l.reads)
	case row.Ahead(a.place()) < 0:
		a.phase, a.reads = attemptAsking, c.trust.Reads
	}
}

// proceed carries out the next statement of the plan.
func (w *world) proceed(c *client) {
	p := *c.watcher.plan
	c.watcher.plan = &p
	if len(p.suspects) > 0 {
		s := p.suspects[0]
		p.suspects = p.suspects[1:]
		if w.db.endLease(s.ID, s.Grounds, w.now) {
			p.ended = append(p.ended[:len(p.ended):len(p.ended)], s.ID)
		}
	} else {
		row := p.view.Locks[p.next]
		if p.needs(p.next) {
			w.takeOver(p.next, liveness.Gone(row, p.view, p.ended), p.over[p.next])
		}
		p.next++
	}
	if p.rest(); p.next == len(p.view.Locks) {
		c.watcher.plan = nil
	}
}

// rest skips the names that need nothing.
func (p *plan) rest() {
	for len(p.suspects) == 0 && p.next < len(p.view.Locks) {
		if p.needs(p.next) {
			return
		}
		p.next++
	}
}

// needs reports whether a name is to be taken over.
func (p *plan) needs(name int) bool {
	row := p.view.Locks[name]
	due, _ := liveness.Unserved(row, time.Time{})
	return due || p.over[name] != 0 || len(liveness.Gone(row, p.view, p.ended)) > 0
}

func (p *plan) String() string {
	if len(p.suspects) > 0 {
		return fmt.Sprintf("ends lease %s", nameOf(p.suspects[0].ID))
	}
	return fmt.Sprintf("takes over %s", p.view.Locks[p.next].Name)
}

// watchGrace notes that nothing is granted, and ends that when the pause has lasted.
func (w *world) watchGrace(c *client) {
	c.watched = w.db.number
	if c.grace.Over(w.db.number, ttl, local(c.number, w.now)) {
		w.db.granting = true
	}
}
