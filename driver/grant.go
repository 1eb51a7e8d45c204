package driver

import (
	"iter"
	"slices"
	"time"
)

// Grant is one grant in force: who holds, and under which fence.
type Grant struct {
	Place
	Fence uint64
	// Since is the instant of the grant by the store's clock, and Age the time
	// from then to the read, by the same clock. Both are for people.
	Since time.Time
	Age   time.Duration
	// Mark is not nil when the grant was revoked.
	Mark *Mark
}

// Mark says that a grant was revoked, by whom and why.
type Mark struct {
	By     string
	Reason string
	// At is the instant of the mark by the store's clock, which sets it, and
	// Age the time from then to the read.
	At  time.Time
	Age time.Duration
}

// Held reports whether anybody holds the lock, alone or with others.
func (l *Lock) Held() bool { return !l.Holder.Ticket.IsZero() || len(l.Members) > 0 }

// HeldBy reports whether p holds the lock, alone or with others.
func (l *Lock) HeldBy(p Place) bool {
	if p.Ticket.IsZero() {
		return false
	}
	return l.Holder == p || l.member(p) >= 0
}

// GrantOf returns the grant of p. Fence and mark of whoever holds are there, and not
// in the fields of Lock.
func (l *Lock) GrantOf(p Place) (Grant, bool) {
	switch i := l.member(p); {
	case p.Ticket.IsZero():
		return Grant{}, false
	case l.Holder == p:
		return Grant{Place: p, Fence: l.Fence, Since: l.Since, Age: l.Age, Mark: l.Mark}, true
	case i >= 0:
		return l.Members[i], true
	default:
		return Grant{}, false
	}
}

// GrantUnder returns the grant in force under the fence.
func (l *Lock) GrantUnder(fence uint64) (Grant, bool) {
	for g := range l.Grants() {
		if g.Fence == fence {
			return g, true
		}
	}
	return Grant{}, false
}

// Grants yields the grants in force, in the order in which they were given.
func (l *Lock) Grants() iter.Seq[Grant] {
	return func(yield func(Grant) bool) {
		if g, ok := l.GrantOf(l.Holder); ok && !yield(g) {
			return
		}
		for _, g := range l.Members {
			if !yield(g) {
				return
			}
		}
	}
}

func (l *Lock) member(p Place) int {
	return slices.IndexFunc(l.Members, func(g Grant) bool { return g.Place == p })
}
