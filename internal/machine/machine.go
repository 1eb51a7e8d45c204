// Package machine is the specification of the lock protocol: the transitions of
// one lock row, as pure functions. A backend either runs them inside a
// transaction that locks the row, or writes the same transitions in SQL and is
// tested against these.
//
// What the functions do not know: whether a lease lives, and what time it is.
// Both are told to them.
//
// # Who is granted what
//
// A name in use is either a lock, which one holds alone or many share, or has permits,
// with one limit. An attempt that would use it in the other way, or with another limit,
// is refused while anybody holds, waits, or keeps the name; then the limit is forgotten.
//
// An attempt fits if those who hold, and it with them, are one alone, or all shared, or
// permits up to the limit. It is granted at once if it fits and nobody waits, and else it
// waits: so a reader does not overtake a writer that waits, and neither starves.
// Whenever somebody has left, as holder or from the queue, the head of the queue is
// granted for as long as it fits. All grants of one transition get fences of their own,
// which rise in the order of the queue.
//
// A grant with a minimum hold keeps the row taken until that is over: if its holder goes
// earlier, nobody is granted before. The next call on the row after that serves the
// queue first.
//
// # Invariants
//
// Kept by every function for every row that satisfies them (a new row does):
//
//   - at most one holder, and beside one no members;
//   - members are all shared, or at most as many as the limit;
//   - the head of the queue does not fit, or the row is kept: so a row that nobody
//     holds or keeps has an empty queue;
//   - a ticket occurs at most once, among those who hold or in the queue;
//   - the fence never falls, and rises with every grant;
//   - a mark belongs to a grant in force;
//   - data that is not to be kept is there only while somebody holds.
//
// All functions are idempotent: called again with the same arguments they
// change nothing and give a result that means the same to the caller. They change
// nothing that a slice or a pointer of the row leads to; so a copy of the row is
// independent of it.
package machine

import (
	"bytes"
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

// Acquire grants the lock to the attempt if its terms fit and nobody waits; otherwise
// it appends it to the queue if wait is set. It reports whether the row changed. The
// error is a *driver.ModeError: the name is in use in another way, and nothing changed.
func Acquire(l *driver.Lock, a driver.Attempt, wait bool, now time.Time) (changed bool, err error) {
	w := driver.Waiter{Place: a.Place(), Terms: a.Terms}
	if l.HeldBy(w.Place) || l.Ahead(w.Place) >= 0 {
		return serve(l, now), nil
	}
	if inUse(l, now) && l.Limit != w.Terms.Limit {
		return false, &driver.ModeError{Limit: l.Limit}
	}
	changed = serve(l, now)
	switch {
	case !kept(l) && fits(l, w.Terms) && (len(l.Queue) == 0 || overtakes(w.Terms)):
		l.Members = slices.Clip(l.Members)
		grant(l, w, now)
	case wait:
		l.Queue = append(slices.Clip(l.Queue), w)
	default:
		return changed, nil
	}
	l.Limit = w.Terms.Limit
	return true, nil
}

// Release ends p's attempt, as holder or in the queue, and serves those whom that makes
// room for. It reports whether the row changed, which it may have for others even if the
// outcome is Absent.
func Release(l *driver.Lock, p driver.Place, now time.Time) (driver.Outcome, bool) {
	outcome := driver.Absent
	if l.HeldBy(p) {
		outcome = driver.Released
		leave(l, func(g driver.Grant) bool { return g.Place == p })
		endKeeping(l)
	} else if i := l.Ahead(p); i >= 0 {
		outcome = driver.Cancelled
		l.Queue = slices.Delete(slices.Clone(l.Queue), i, i+1)
	}
	served := serve(l, now)
	return outcome, served || outcome != driver.Absent
}

// TakeOver removes everybody whose lease is among gone, and the holder whose grant
// has the fence ended and carries a mark, and serves those whom that makes room for. It
// reports whether the row changed.
//
// The caller has shown, by an earlier statement, that the leases are gone; the
// one who frees a lock gets no preference over those who queue.
func TakeOver(l *driver.Lock, gone []driver.ID, ended uint64, now time.Time) bool {
	isGone := func(p driver.Place) bool { return slices.Contains(gone, p.Lease) }
	anybody := mutation.On(mutation.TakeOverFromAnybody) && len(gone) > 0
	before := len(l.Queue)
	l.Queue = slices.DeleteFunc(slices.Clone(l.Queue), func(w driver.Waiter) bool { return isGone(w.Place) })
	left := leave(l, func(g driver.Grant) bool {
		return anybody || isGone(g.Place) || g.Mark != nil && g.Fence == ended
	})
	served := serve(l, now)
	return served || left || len(l.Queue) != before
}

// Revoke marks the grant in force under the fence given. The first mark of a grant stays.
// Where nobody holds and only the minimum hold of the grant with that fence keeps
// the row, it ends that, and serves the queue. It reports whether there was such a
// grant, and whether the row changed.
func Revoke(l *driver.Lock, fence uint64, mark driver.Mark, now time.Time) (inForce, changed bool) {
	if kept(l) && l.Fence == fence {
		l.KeptUntil = time.Time{}
		serve(l, now)
		return true, true
	}
	g, ok := l.GrantUnder(fence)
	if !ok || g.Mark != nil {
		return ok, false
	}
	if l.Holder == g.Place {
		l.Mark = &mark
		return true, true
	}
	l.Members = slices.Clone(l.Members)
	for i := range l.Members {
		if l.Members[i].Fence == fence {
			l.Members[i].Mark = &mark
		}
	}
	return true, true
}

// SetData sets the data of the lock if p holds it. It reports whether p does, and whether
// the row changed.
func SetData(l *driver.Lock, p driver.Place, data []byte, keep bool) (held, changed bool) {
	if !l.HeldBy(p) {
		return false, false
	}
	if len(data) == 0 {
		data, keep = nil, false
	}
	if bytes.Equal(l.Data, data) && l.KeepData == keep {
		return true, false
	}
	l.Data, l.KeepData = data, keep
	return true, true
}

// leave ends the grants that match, and reports whether there were any.
func leave(l *driver.Lock, match func(driver.Grant) bool) bool {
	left := false
	if g, ok := l.GrantOf(l.Holder); ok && match(g) {
		l.Holder, l.Mark, l.Since, l.Age = driver.Place{}, nil, time.Time{}, 0
		left = true
	}
	if slices.ContainsFunc(l.Members, match) {
		l.Members = slices.DeleteFunc(slices.Clone(l.Members), match)
		left = true
	}
	if left && !l.Held() && !l.KeepData {
		l.Data = nil
	}
	return left
}

// serve grants the lock to the head of the queue for as long as that fits, unless the row
// is kept. It reports whether the row changed.
func serve(l *driver.Lock, now time.Time) (changed bool) {
	if kept(l) {
		if now.Before(l.KeptUntil) {
			return false
		}
		l.KeptUntil, changed = time.Time{}, true
	}
	l.Members = slices.Clip(l.Members)
	served := 0
	for served < len(l.Queue) && (fits(l, l.Queue[served].Terms) || forgetsMembers(l)) {
		grant(l, l.Queue[served], now)
		served++
	}
	if served > 0 {
		l.Queue = slices.Clone(l.Queue[served:])
	}
	if !l.Held() && len(l.Queue) == 0 {
		l.Limit = 0
	}
	return changed || served > 0
}

// kept reports whether nobody holds the row, and a minimum hold keeps it or did so at the
// last transition.
func kept(l *driver.Lock) bool { return !l.KeptUntil.IsZero() && !l.Held() }

// inUse reports whether anybody holds, waits, or keeps the row at the instant now.
func inUse(l *driver.Lock, now time.Time) bool {
	return l.Held() || len(l.Queue) > 0 || now.Before(l.KeptUntil)
}

// fits reports whether an attempt on these terms may hold beside those who do.
func fits(l *driver.Lock, terms driver.Terms) bool {
	switch terms.Mode {
	case driver.Shared:
		return l.Holder == driver.Place{}
	case driver.Permit:
		return len(l.Members) < terms.Limit
	default:
		return !l.Held()
	}
}

// grant gives the lock to w. What Members leads to is the caller's own.
func grant(l *driver.Lock, w driver.Waiter, now time.Time) {
	l.Fence = NextFence(l.Fence, now)
	if w.Terms.Mode != driver.Exclusive {
		l.Members = append(l.Members, driver.Grant{Place: w.Place, Fence: l.Fence, Since: now})
		return
	}
	l.Holder, l.Since, l.KeptUntil = w.Place, now, time.Time{}
	if w.Terms.MinHold > 0 {
		l.KeptUntil = now.Add(w.Terms.MinHold)
	}
}
