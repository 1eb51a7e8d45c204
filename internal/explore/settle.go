package explore

import "fmt"

// A state from which nothing good can come is broken as well: a lock that nobody can
// ever have, a waiter that nobody will ever serve. So from each state the world is let
// run on without faults and in one fair order, until everybody has had what they asked
// for and a newcomer has had every lock.

// patience is how many ticks that may take, beyond which a waiter counts as lost: a
// few expiries one after the other, and a pause in granting.
const patience = 40

// settle lets the world run on, and returns what never happened, or nothing. It
// remembers the states that it came through.
func (x *explorer) settle(w *world) string {
	var path []uint64
	w = w.clone()
	for range patience {
		key := x.key(w)
		if _, fine := x.settled[key]; fine || w.rest() && x.newcomer(w) == "" {
			path = append(path, key)
			for _, key := range path {
				x.settled[key] = struct{}{}
			}
			return ""
		}
		path = append(path, key)
		if w.round(); w.broken != "" {
			return "later: " + w.broken
		}
	}
	for i := range w.people {
		if c := &w.people[i]; !c.crashed && c.tried > 0 && !c.attempt.satisfied {
			return fmt.Sprintf("client %d would wait for ever", i)
		}
	}
	return "the world would not come to rest, or: " + x.newcomer(w)
}

// rest reports whether nobody wants anything.
func (w *world) rest() bool {
	for i := range w.people {
		c := &w.people[i]
		if !c.crashed && (c.attempt.open() || c.tried > 0 && !c.attempt.satisfied || c.ghosts) {
			return false
		}
	}
	return true
}

// newcomer lets one more client acquire every lock, and returns which it never gets.
func (x *explorer) newcomer(w *world) string {
	for name := range w.db.locks {
		w := w.clone()
		w.people = append(w.people, newClient(len(w.people)))
		c := len(w.people) - 1
		w.begin(&w.people[c], name)
		for n := 0; w.people[c].attempt.open(); n++ {
			if w.round(); n == patience {
				return fmt.Sprintf("nobody can ever have %q", w.db.locks[name].Name)
			}
		}
	}
	return ""
}

// round lets every client do what it would do within a tick, and then time pass.
func (w *world) round() {
	for i := range w.people {
		if c := &w.people[i]; !c.crashed {
			w.turn(c)
		}
	}
	w.take(step{kind: passTime})
}

func (w *world) turn(c *client) {
	w.drain(c)
	for _, k := range []kind{renew, look, watchGrace} {
		if w.may(c, k) {
			w.take(step{kind: k, client: byte(c.number)})
			w.drain(c)
		}
	}
	if a := &c.attempt; a.phase == attemptEnded && !a.satisfied {
		w.begin(c, int(a.name))
		w.drain(c)
	}
}

// drain takes all steps that follow from what has happened to the client, until none is
// left that changes anything.
func (w *world) drain(c *client) {
	tried := false // what may have to be tried again later
	for range 100 {
		k, ok := w.follows(c, tried)
		if !ok {
			return
		}
		tried = tried || k == ask || k == leave || k == exorcise
		w.take(step{kind: k, client: byte(c.number)})
	}
	w.broken = fmt.Sprintf("client %d is caught in a loop", c.number)
}

// follows returns the most urgent step that is neither a fault nor a new beginning.
func (w *world) follows(c *client, tried bool) (kind, bool) {
	for _, k := range []kind{expire, renewed, reread, known, hinted, answered, judge, proceed, letGo} {
		if w.may(c, k) {
			return k, true
		}
	}
	for _, k := range []kind{leave, ask, exorcise} {
		if !tried && w.may(c, k) {
			return k, true
		}
	}
	if w.may(c, drop) {
		return drop, true
	}
	return 0, false
}

func (w *world) may(c *client, k kind) bool {
	var room [16]step
	for _, s := range w.stepsOf(c, room[:0]) {
		if s.kind == k {
			return true
		}
	}
	return false
}
