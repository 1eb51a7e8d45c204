package keyed

import (
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// row is a name: what the process knows of it. Table.mu guards it.
type row struct {
	lock driver.Lock
	// foreign stands in the row as its holder where another session has the key. It stands
	// alone there, so nobody in the process is granted the lock beside it.
	foreign driver.Place
	key     string
	held    Mode
	calls   []*call // not yet made, in the order in which they came
	op      *op     // what the first of them, or the row, has asked the server for

	// guarded: a holder was guarded since the key was taken, and the guard may be in
	// progress.
	guarded bool

	// Fences from next on, and before end, were drawn while the session had the key for
	// itself, as it has since.
	next, end uint64

	turn  time.Time // since when the process has had the key, with short pauses
	freed time.Time // when it last gave it back
	waits bool      // the session shows that it waits
	yield bool      // it has just given way

	// leaving: it gives way, and until those who still hold have gone and the key is given
	// back, nobody else is granted the lock.
	leaving bool

	stuck int // how often in a row the key could not be given back

	since time.Time     // foreign: when it was found to be held elsewhere
	due   time.Time     // foreign: when to ask again
	pause time.Duration // foreign: between the last time and that
}

// foreigner returns the holder of a row whose key another session has.
func foreigner(key string) driver.Place {
	var id driver.ID
	n := copy(id[:], "session:")
	if len(key) == len(id)-n {
		copy(id[n:], key)
	} else {
		hash := sha256.Sum256([]byte(key))
		copy(id[n:], hash[:])
	}
	return driver.Place{Lease: id, Ticket: id}
}

func (r *row) isForeign() bool { return r.lock.Holder == r.foreign }

// busy reports whether the process uses the name.
func (r *row) busy() bool {
	return r.lock.Held() || len(r.lock.Queue) > 0 || r.held != None || len(r.calls) > 0 || r.op != nil
}

// shown reports whether the row is one that others may read.
func (r *row) shown() bool { return r.lock.Fence != 0 || r.lock.Held() || len(r.lock.Queue) > 0 }

// drawn returns how many fences are left.
func (r *row) drawn() int { return int(r.end - r.next) }

// call is one call of a driver method on a name.
type call struct {
	kind    kind
	attempt driver.Attempt
	wait    bool
	gone    []driver.ID
	ended   uint64 // the fence of TakeOver and Revoke
	mark    driver.Mark

	ctx    context.Context // not nil: finish is called soon after it has ended
	late   error           // why it was called before the call was over
	told   bool            // it was called, or is about to be
	finish func()          // without Table.mu

	refused   bool // another session has the key
	committed bool // the row is changed; what is left is to give the key back

	// The results.
	lock    driver.Lock
	outcome driver.Outcome
	changed bool
	err     error
}

type kind int

const (
	acquire kind = iota
	release
	takeOver
	revoke
	poll // ask again for a key that another session had
)

// apply makes the transition. It may be made again, on another copy of the row.
func (c *call) apply(r *row, l *driver.Lock, now time.Time) {
	switch c.kind {
	case acquire:
		if changed, err := machine.Acquire(l, c.attempt, c.wait, now); err != nil {
			c.err = driver.Permanent(err)
		} else {
			c.changed = changed
		}
	case release:
		c.outcome, c.changed = machine.Release(l, c.attempt.Place(), now)
	case takeOver:
		c.changed = machine.TakeOver(l, c.gone, c.ended, now)
	case revoke:
		var inForce bool
		if inForce, c.changed = machine.Revoke(l, c.ended, c.mark, now); !inForce {
			c.err = driver.ErrNotHeld
		}
	case poll:
		_, c.changed = machine.Release(l, r.foreign, now)
	}
}

// withoutKey returns the row after c where another session has the key that c would
// need: nobody in the process is granted the lock.
func (c *call) withoutKey(r *row) driver.Lock {
	after := r.lock
	after.Holder, after.Mark, after.Since = r.foreign, nil, time.Time{}
	if c.kind != poll {
		outcome := c.outcome // of one who may have been replaced just now
		c.apply(r, &after, time.Time{})
		c.outcome = outcome
	}
	if len(after.Members) > 0 {
		after.Holder = driver.Place{}
	}
	return after
}

// granted returns the grants of after that before lacks, in their order.
func granted(before, after *driver.Lock) []driver.Grant {
	switch {
	case len(after.Members) > 0:
		return grantedToMembers(before, after)
	case after.Holder.Ticket.IsZero() || after.Holder == before.Holder:
		return nil
	default:
		return []driver.Grant{{Place: after.Holder, Fence: after.Fence}}
	}
}

func grantedToMembers(before, after *driver.Lock) (fresh []driver.Grant) {
	for _, g := range after.Members {
		if !slices.ContainsFunc(before.Members, func(old driver.Grant) bool { return old.Place == g.Place }) {
			fresh = append(fresh, g)
		}
	}
	return fresh
}

// stamp sets the instant of the grants that were made with fences from first on.
func stamp(l *driver.Lock, first uint64, now time.Time) {
	if !l.Since.IsZero() && l.Fence >= first {
		l.Since = now
	}
	if !slices.ContainsFunc(l.Members, func(g driver.Grant) bool { return g.Fence >= first }) {
		return
	}
	l.Members = slices.Clone(l.Members)
	for i := range l.Members {
		if l.Members[i].Fence >= first {
			l.Members[i].Since = now
		}
	}
}

// snapshot returns a copy of the row with ages.
func snapshot(l *driver.Lock) driver.Lock {
	c := *l
	if !c.Since.IsZero() {
		c.Age = time.Since(c.Since)
	}
	c.Mark = aged(c.Mark)
	c.Queue = slices.Clone(c.Queue)
	c.Members = slices.Clone(c.Members)
	for i := range c.Members {
		c.Members[i].Age = time.Since(c.Members[i].Since)
		c.Members[i].Mark = aged(c.Members[i].Mark)
	}
	return c
}

func aged(m *driver.Mark) *driver.Mark {
	if m == nil {
		return nil
	}
	c := *m
	c.Age = time.Since(c.At)
	return &c
}
