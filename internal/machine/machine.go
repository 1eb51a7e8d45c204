// Package machine is the specification of the lock protocol: the transitions of
// one lock row, as pure functions. A backend either runs them inside a
// transaction that locks the row, or writes the same transitions in SQL and is
// tested against these.
//
// What the functions do not know: whether a lease lives, and what time it is.
// Both are told to them.
//
// Invariants, kept by every function for every row that satisfies them (a new
// row does):
//
//   - at most one holder;
//   - a row without a holder has an empty queue;
//   - a ticket occurs at most once, as holder or in the queue;
//   - the fence never falls, and rises with every grant;
//   - a mark belongs to the grant in force.
//
// All functions are idempotent: called again with the same arguments they
// change nothing and give a result that means the same to the caller.
package machine

import (
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// NextFence returns the fence of a grant made at now, after one with the fence
// last: a hybrid logical clock (Kulkarni and others, "Logical Physical Clocks",
// 2014). It rises by the row while there is one, and by the clock where the row
// was lost.
func NextFence(last uint64, now time.Time) uint64 {
	if mutation.On(mutation.FenceOutsideLock) {
		last = 0
	}
	return max(last+1, uint64(max(now.UnixMicro(), 0)))
}

// Acquire grants a free lock to p; of a held one, it appends p to the queue if
// wait is set. It reports whether the row changed.
func Acquire(l *driver.Lock, p driver.Place, wait bool, now time.Time) bool {
	switch {
	case l.HeldBy(p), l.Ahead(p) >= 0:
		return false
	case !l.Held():
		grant(l, p, now)
		return true
	case wait:
		l.Queue = append(slices.Clip(l.Queue), driver.Waiter{Place: p})
		return true
	default:
		return false
	}
}

// Release ends p's attempt: as holder it passes the lock to the head of the
// queue, as waiter it leaves the queue. The row changed unless the outcome is
// Absent.
func Release(l *driver.Lock, p driver.Place, now time.Time) driver.Outcome {
	if l.HeldBy(p) {
		pass(l, now)
		return driver.Released
	}
	if i := l.Ahead(p); i >= 0 {
		l.Queue = slices.Delete(slices.Clone(l.Queue), i, i+1)
		return driver.Cancelled
	}
	return driver.Absent
}

// TakeOver removes everybody whose lease is among gone, and the holder if its
// grant has the fence ended and carries a mark; a lock so freed passes to the
// head of what remains of the queue. It reports whether the row changed.
//
// The caller has shown, by an earlier statement, that the leases are gone; the
// one who frees a lock gets no preference over those who queue.
func TakeOver(l *driver.Lock, gone []driver.ID, ended uint64, now time.Time) bool {
	isGone := func(p driver.Place) bool { return slices.Contains(gone, p.Lease) }
	anybody := mutation.On(mutation.TakeOverFromAnybody) && len(gone) > 0
	before := len(l.Queue)
	l.Queue = slices.DeleteFunc(slices.Clone(l.Queue), func(w driver.Waiter) bool { return isGone(w.Place) })
	changed := len(l.Queue) != before
	if l.Held() && (anybody || isGone(l.Holder) || l.Mark != nil && l.Fence == ended) {
		pass(l, now)
		changed = true
	}
	return changed
}

// Revoke marks the grant in force, if its fence is the one given. The first mark
// of a grant stays. It reports whether the grant is in force, and whether the row
// changed.
func Revoke(l *driver.Lock, fence uint64, mark driver.Mark) (inForce, changed bool) {
	if !l.Held() || l.Fence != fence {
		return false, false
	}
	if l.Mark != nil {
		return true, false
	}
	l.Mark = &mark
	return true, true
}

// pass hands the lock to the head of the queue, or frees it.
func pass(l *driver.Lock, now time.Time) {
	l.Holder, l.Mark, l.Since = driver.Place{}, nil, time.Time{}
	if len(l.Queue) > 0 {
		head := l.Queue[0]
		l.Queue = slices.Clone(l.Queue[1:])
		grant(l, head.Place, now)
	}
}

func grant(l *driver.Lock, p driver.Place, now time.Time) {
	l.Fence = NextFence(l.Fence, now)
	l.Holder, l.Since = p, now
}
