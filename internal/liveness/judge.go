package liveness

import (
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Rules say how a look is judged.
type Rules struct {
	// Self is the observer's own lease, which it does not judge.
	Self driver.ID
	// Tolerance allows for steps of the database's clock in overdue expiry;
	// 0 means the lease's TTL, at most DefaultTolerance; negative: never.
	Tolerance time.Duration
}

// DefaultTolerance is the largest tolerance used when none is configured.
const DefaultTolerance = 30 * time.Second

// Suspect is a lease that may be ended on the grounds given. The store checks
// them again under the row's lock.
type Suspect struct {
	ID      driver.ID
	Grounds driver.Grounds
}

// Suspects returns the leases of the view that may be ended at the instant at,
// its receipt, and when to look again.
func (t *Tracker) Suspects(view driver.View, at time.Time, rules Rules) (suspects []Suspect, next time.Time) {
	for id, s := range view.Leases {
		if id == rules.Self || s.Liveness == driver.Alive {
			continue
		}
		due := t.Lease(s, at)
		tolerance, overdue := rules.overdue(s.TTL, s.Age)
		switch {
		case s.Liveness == driver.Dead:
			suspects = append(suspects, Suspect{id, driver.Grounds{Dead: true}})
		case !at.Before(due):
			suspects = append(suspects, Suspect{id, driver.Grounds{Observed: s.Beat}})
		case overdue < 0:
			suspects = append(suspects, Suspect{id, driver.Grounds{Overdue: tolerance}})
		default:
			next = sooner(next, due, renewal(s, at))
			if tolerance > 0 {
				next = sooner(next, at.Add(overdue+slack(s.TTL)))
			}
		}
	}
	return suspects, next
}

// overdue returns the tolerance that applies (0: never), and how long it is until
// something last renewed age ago is overdue.
func (r Rules) overdue(ttl, age time.Duration) (tolerance, left time.Duration) {
	switch {
	case r.Tolerance < 0:
		return 0, 1
	case r.Tolerance > 0:
		tolerance = r.Tolerance
	default:
		tolerance = min(ttl, DefaultTolerance)
	}
	return tolerance, ttl + tolerance - age
}

// renewal returns when the next look is worth while: just after the lease should
// have been renewed. So a beat is first seen soon after it was written, and a
// death is noticed little later than TTL + margin after the last beat. If the
// renewal is late, look again after half an interval.
func renewal(s driver.LeaseState, at time.Time) time.Time {
	interval := s.TTL / 3
	if left := interval - s.Age; left > 0 {
		return at.Add(left + slack(s.TTL))
	}
	return at.Add(interval / 2)
}

func slack(ttl time.Duration) time.Duration {
	return min(max(ttl/50, 5*time.Millisecond), 50*time.Millisecond)
}

// sooner returns the earliest of the instants that are not zero.
func sooner(first time.Time, more ...time.Time) time.Time {
	for _, t := range more {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}

// Gone returns the leases that the row names and that have ended: the view, an
// earlier statement, does not show them, or they are among ended.
func Gone(l driver.Lock, view driver.View, ended []driver.ID) []driver.ID {
	var gone []driver.ID
	add := func(p driver.Place) {
		_, exists := view.Leases[p.Lease]
		if (!exists || slices.Contains(ended, p.Lease)) && !slices.Contains(gone, p.Lease) {
			gone = append(gone, p.Lease)
		}
	}
	for p := range l.Places() {
		add(p)
	}
	return gone
}

// Over returns the fence of a grant in the row that was revoked so long before at
// that it may be ended, else 0, and when to look again. Of several such grants, the
// next one is returned once the first has been ended.
func (t *Tracker) Over(l driver.Lock, view driver.View, at time.Time, rules Rules) (ended uint64, next time.Time) {
	for g := range l.Grants() {
		holder, ok := view.Leases[g.Lease]
		if g.Mark == nil || !ok {
			continue
		}
		due := t.Mark(l.Name, g.Fence, holder.TTL, at)
		if tolerance, left := rules.overdue(holder.TTL, g.Mark.Age); tolerance > 0 && left < 0 || !at.Before(due) {
			return g.Fence, time.Time{}
		}
		next = sooner(next, due)
	}
	return 0, next
}

// Unserved reports whether somebody waits in a row that nobody holds and that is not
// kept any longer, so that TakeOver is called for, even of nothing; and otherwise, if
// somebody waits for the end of a minimum hold, when to look again. The store's clock
// decides when it ends: to look early or late harms nothing.
func Unserved(l driver.Lock, at time.Time) (due bool, next time.Time) {
	switch {
	case l.Held() || len(l.Queue) == 0:
		return false, time.Time{}
	case l.Kept > 0:
		return false, at.Add(l.Kept + keptSlack)
	default:
		return true, time.Time{}
	}
}

// keptSlack is by how much a look comes later than the end of a minimum hold, so that
// a clock that is read in microseconds finds it over.
const keptSlack = time.Millisecond
