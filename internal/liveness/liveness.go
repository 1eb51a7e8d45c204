// Package liveness judges from the outside whether a lease is dead: by its beat,
// seen unchanged for long enough of the observer's own elapsed time. No clock is
// compared with another.
//
// It does not prove that the lease's client is gone; it shows that the client's
// trust in the lease has ended, which is what the next holder needs.
package liveness

import (
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// Tracker remembers when each lease was first seen with its present beat. It is
// not safe for concurrent use.
type Tracker struct {
	seen  map[driver.ID]sighting
	marks map[mark]time.Time
}

type sighting struct {
	beat  uint64
	first time.Time
}

// mark is a revoked grant: the fence names the grant.
type mark struct {
	name  string
	fence uint64
}

// New returns an empty Tracker.
func New() *Tracker {
	return &Tracker{seen: map[driver.ID]sighting{}, marks: map[mark]time.Time{}}
}

// Lease notes that s was shown by a reply received at the instant at. It returns
// when the lease may be expired if its beat stays what it is. An instant not
// after at means: now, with s.Beat as the grounds.
//
// The count starts at the receipt of the first reply that showed the beat, never
// earlier: the renewal that wrote it was sent before that.
func (t *Tracker) Lease(s driver.LeaseState, at time.Time) time.Time {
	first, ok := t.seen[s.ID]
	if !ok || first.beat != s.Beat {
		first = sighting{beat: s.Beat, first: firstSeen(first.first, at)}
		t.seen[s.ID] = first
	}
	ttl := observedTTL(s.TTL)
	return first.first.Add(ttl + clock.Margin(ttl))
}

// Mark notes that a reply received at the instant at showed the grant of name
// under fence as revoked. ttl is that of the holder's lease. It returns when the
// grant may be ended: every trust from before the mark is over then.
func (t *Tracker) Mark(name string, fence uint64, ttl time.Duration, at time.Time) time.Time {
	key := mark{name, fence}
	first, ok := t.marks[key]
	if !ok {
		first = at
		t.marks[key] = at
	}
	return first.Add(ttl + clock.Margin(ttl))
}

// Retain forgets every lease and every mark that a look at all that matters did
// not show.
func (t *Tracker) Retain(view driver.View) {
	for id := range t.seen {
		if _, ok := view.Leases[id]; !ok {
			delete(t.seen, id)
		}
	}
	live := map[mark]bool{}
	for _, l := range view.Locks {
		for g := range l.Grants() {
			live[mark{l.Name, g.Fence}] = g.Mark != nil
		}
	}
	for m := range t.marks {
		if !live[m] {
			delete(t.marks, m)
		}
	}
}

// Forget drops everything seen: after a change of the database's incarnation no
// earlier sighting counts.
func (t *Tracker) Forget() {
	clear(t.seen)
	clear(t.marks)
}
