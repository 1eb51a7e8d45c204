package machine_test

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// world is one lock's row, written only by package machine, beside a second
// opinion that shares no code with it: those who hold, those who wait, and what
// each client was told.
type world struct {
	row driver.Lock
	now time.Time

	holding   []driver.Waiter // in the order of their grants
	line      []driver.Waiter // first come first
	marked    map[driver.Place]bool
	keptUntil time.Time // nobody but the holder may have the lock before
	data      string
	keepData  bool

	leases []driver.ID    // the living
	dead   []driver.ID    // the others
	asked  []driver.Place // every attempt ever made, ended ones included

	// promised holds who was told that they hold, under which fence, and has
	// no reason yet to think otherwise.
	promised map[driver.Place]uint64
	grants   map[uint64]driver.Place // every fence ever given, and to whom
	highest  uint64
	history  []func(*rapid.T) // every call made, for replies that were lost
}

func newWorld() *world {
	return &world{
		row:      driver.Lock{Name: "n"},
		now:      time.Unix(1_700_000_000, 0),
		marked:   map[driver.Place]bool{},
		promised: map[driver.Place]uint64{},
		grants:   map[uint64]driver.Place{},
	}
}

// stranger asks for the lock in copies of the row only.
var stranger = driver.Attempt{Lease: driver.NewID(), Ticket: driver.NewID()}

// call runs one transition and judges it; a second call with the same arguments
// must then change nothing. The row before the call shares its slices with the
// one given to the transition, as a copy may that somebody else reads or
// writes: neither may notice the other.
func (w *world) call(t *rapid.T, transition func(l *driver.Lock) (changed bool)) {
	for repetition := range 2 {
		before, copied := w.row, deep(w.row)
		after := w.row
		changed := transition(&after)
		if !same(before, copied) {
			t.Fatalf("a reader's copy was changed from %+v to %+v", copied, before)
		}
		copied = deep(after)
		mine, theirs := stranger, stranger
		theirs.Terms = driver.Terms{Mode: driver.Shared}
		_, _ = machine.Acquire(&before, mine, true, w.now)
		_, _ = machine.Acquire(&before, theirs, true, w.now)
		machine.TakeOver(&before, w.dead, w.row.Fence, w.now.Add(time.Hour))
		if !same(after, copied) {
			t.Fatalf("a writer of another copy changed the row from %+v to %+v", copied, after)
		}
		before = w.row
		if changed == same(before, after) {
			t.Fatalf("the transition reported changed = %v between %+v and %+v", changed, before, after)
		}
		if repetition == 1 && changed {
			t.Fatalf("the repetition of a call changed %+v to %+v", before, after)
		}
		w.row = after
		w.judgeGrants(t, before, after)
	}
	w.judgeRow(t)
}

// may reports whether all of these may hold at once: one alone, or all shared, or all
// permits of one limit that is large enough.
func may(holding []driver.Waiter) bool {
	for _, h := range holding {
		if h.Terms.Mode != holding[0].Terms.Mode || h.Terms.Limit != holding[0].Terms.Limit {
			return false
		}
	}
	switch {
	case len(holding) < 2:
		return true
	case holding[0].Terms.Mode == driver.Permit:
		return len(holding) <= holding[0].Terms.Limit
	default:
		return holding[0].Terms.Mode == driver.Shared
	}
}

// kept reports whether a minimum hold keeps out everybody but its holder.
func (w *world) kept() bool { return w.now.Before(w.keptUntil) }

// serve moves those at the head of the line who may hold to those who do.
func (w *world) serve() {
	for len(w.line) > 0 && may(append(slices.Clone(w.holding), w.line[0])) {
		if len(w.holding) == 0 && w.kept() {
			return
		}
		head := w.line[0]
		w.holding, w.line = append(w.holding, head), w.line[1:]
		w.keptUntil = time.Time{}
		if head.Terms.MinHold > 0 {
			w.keptUntil = w.now.Add(head.Terms.MinHold)
		}
	}
	if len(w.holding) == 0 && !w.kept() {
		w.keptUntil = time.Time{}
	}
}

// leave takes those who match out of those who hold and out of the line.
func (w *world) leave(match func(driver.Place) bool) {
	held := len(w.holding)
	gone := func(e driver.Waiter) bool { return match(e.Place) }
	w.holding = slices.DeleteFunc(slices.Clone(w.holding), gone)
	w.line = slices.DeleteFunc(slices.Clone(w.line), gone)
	if len(w.holding) == 0 && held > 0 && !w.keepData {
		w.data = ""
	}
	for p := range w.promised {
		if match(p) {
			delete(w.promised, p)
		}
	}
	for p := range w.marked {
		if match(p) {
			delete(w.marked, p)
		}
	}
}

// remember keeps a call for a later repetition, and makes it.
func (w *world) remember(t *rapid.T, call func(*rapid.T)) {
	w.history = append(w.history, call)
	call(t)
}

// tell is what a reader of the row tells p's client.
func (w *world) tell(p driver.Place) {
	if g, ok := w.row.GrantOf(p); ok {
		w.promised[p] = g.Fence
	}
}

func (w *world) in(p driver.Place) bool {
	return slices.ContainsFunc(slices.Concat(w.holding, w.line), func(e driver.Waiter) bool { return e.Place == p })
}

// disagrees reports whether the name is in use, and not on these terms.
func (w *world) disagrees(terms driver.Terms) bool {
	for _, e := range slices.Concat(w.holding, w.line) {
		return e.Terms.Limit != terms.Limit
	}
	return w.kept() && terms.Mode == driver.Permit
}

func (w *world) acquire(t *rapid.T, a driver.Attempt, wait, lost bool) {
	refused := !w.in(a.Place()) && w.disagrees(a.Terms)
	if !refused {
		w.serve()
	}
	if e := (driver.Waiter{Place: a.Place(), Terms: a.Terms}); !refused && !w.in(a.Place()) {
		if w.line = append(w.line, e); !wait {
			w.serve()
			w.line = slices.DeleteFunc(w.line, func(q driver.Waiter) bool { return q == e })
		}
		w.serve()
	}
	w.call(t, func(l *driver.Lock) bool {
		changed, err := machine.Acquire(l, a, wait, w.now)
		var mode *driver.ModeError
		if (err != nil) != refused || refused && (!errors.As(err, &mode) || mode.Limit != l.Limit || mode.Limit == a.Terms.Limit) {
			t.Fatalf("acquire on %+v: %v, refused: %v; the row is %+v", a.Terms, err, refused, *l)
		}
		return changed
	})
	if !lost {
		w.tell(a.Place())
	}
}

func (w *world) release(t *rapid.T, p driver.Place) {
	want := driver.Absent
	switch is := func(e driver.Waiter) bool { return e.Place == p }; {
	case slices.ContainsFunc(w.holding, is):
		want = driver.Released
	case slices.ContainsFunc(w.line, is):
		want = driver.Cancelled
	}
	w.leave(func(q driver.Place) bool { return q == p })
	w.serve()
	w.call(t, func(l *driver.Lock) bool {
		got, changed := machine.Release(l, p, w.now)
		if got != want {
			t.Fatalf("release returned %v, not %v", got, want)
		}
		want = driver.Absent // of the repetition
		return changed
	})
}

func (w *world) takeOver(t *rapid.T, gone []driver.ID, ended uint64) {
	over := driver.Place{}
	if p := w.grants[ended]; w.marked[p] && w.holds(p, ended) {
		over = p
	}
	w.leave(func(p driver.Place) bool { return slices.Contains(gone, p.Lease) || p == over })
	w.serve()
	w.call(t, func(l *driver.Lock) bool { return machine.TakeOver(l, gone, ended, w.now) })
}

// holds reports whether the row grants to p under the fence.
func (w *world) holds(p driver.Place, fence uint64) bool {
	g, ok := w.row.GrantOf(p)
	return ok && g.Fence == fence && w.grants[fence] == p
}

func (w *world) revoke(t *rapid.T, fence uint64, reason string) {
	p := w.grants[fence]
	want := w.holds(p, fence)
	first, _ := w.row.GrantOf(p)
	if want {
		w.marked[p] = true
	}
	ends := len(w.holding) == 0 && !w.keptUntil.IsZero() && w.row.Fence == fence
	if ends {
		w.keptUntil = time.Time{}
		w.serve()
	}
	w.call(t, func(l *driver.Lock) bool {
		inForce, changed := machine.Revoke(l, fence, driver.Mark{Reason: reason}, w.now)
		if inForce != (want || ends) {
			t.Fatalf("revoke of %d says in force: %v, and the row is %+v", fence, inForce, *l)
		}
		ends = false // in the repetition
		return changed
	})
	if g, _ := w.row.GrantOf(p); first.Mark != nil && g.Mark != nil && first.Mark.Reason != g.Mark.Reason {
		t.Fatalf("the first mark %q was replaced by %q", first.Mark.Reason, g.Mark.Reason)
	}
}

func (w *world) setData(t *rapid.T, p driver.Place, data []byte, keep bool) {
	want := slices.ContainsFunc(w.holding, func(e driver.Waiter) bool { return e.Place == p })
	if want {
		w.data, w.keepData = string(data), keep && len(data) > 0
	}
	w.call(t, func(l *driver.Lock) bool {
		held, changed := machine.SetData(l, p, data, keep)
		if held != want {
			t.Fatalf("SetData says held: %v, and the row is %+v", held, *l)
		}
		return changed
	})
}

// String shows the row where rapid reports a failure.
func (w *world) String() string { return fmt.Sprintf("%+v", w.row) }
