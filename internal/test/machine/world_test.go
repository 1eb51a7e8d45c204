package machine_test

import (
	"fmt"
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// world is one lock's row, written only by package machine, beside a second
// opinion that shares no code with it: the line of those who asked, and what
// each client was told.
type world struct {
	row driver.Lock
	now time.Time

	line   []driver.Place // everybody who asked and has not left; the first holds
	marked bool           // the grant in force was revoked
	leases []driver.ID    // the living
	dead   []driver.ID
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
		promised: map[driver.Place]uint64{},
		grants:   map[uint64]driver.Place{},
	}
}

// stranger asks for the lock in copies of the row only.
var stranger = driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()}

// call runs one transition and judges it; a second call with the same arguments
// must then change nothing. The row before the call shares its queue with the
// one given to the transition, as a copy may that somebody else reads or
// writes: neither may notice the other.
func (w *world) call(t *rapid.T, transition func(l *driver.Lock) (changed bool)) {
	for repetition := range 2 {
		before, queue := w.row, slices.Clone(w.row.Queue)
		after := w.row
		changed := transition(&after)
		if !slices.Equal(before.Queue, queue) {
			t.Fatalf("a reader's copy of the queue was changed from %v to %v", queue, before.Queue)
		}
		queue = slices.Clone(after.Queue)
		machine.Acquire(&before, stranger, true, w.now)
		if !slices.Equal(after.Queue, queue) {
			t.Fatalf("a writer of another copy changed the queue from %v to %v", queue, after.Queue)
		}
		before = w.row
		if same := reflect.DeepEqual(canonical(before), canonical(after)); changed == same {
			t.Fatalf("the transition reported changed = %v between %+v and %+v", changed, before, after)
		}
		if repetition == 1 && changed {
			t.Fatalf("the repetition of a call changed %+v to %+v", before, after)
		}
		w.row = after
		w.judgeGrant(t, before, after)
	}
	w.judgeRow(t)
}

// canonical removes the difference between no queue and an empty one.
func canonical(l driver.Lock) driver.Lock {
	l.Queue = append([]driver.Waiter{}, l.Queue...)
	return l
}

// judgeGrant compares the row before and after one transition: the fence rises
// with a grant, and with nothing else.
func (w *world) judgeGrant(t *rapid.T, before, after driver.Lock) {
	if after.Holder == before.Holder {
		if after.Fence != before.Fence || after.Since != before.Since {
			t.Fatalf("fence or time changed without a grant: %+v to %+v", before, after)
		}
		return
	}
	if !after.Held() {
		if after.Fence != before.Fence || !after.Since.IsZero() || after.Mark != nil {
			t.Fatalf("a free row keeps its fence and nothing else: %+v", after)
		}
		return
	}
	if after.Fence <= w.highest || after.Fence < uint64(w.now.UnixMicro()) {
		t.Fatalf("fence %d was given after %d, at %d", after.Fence, w.highest, w.now.UnixMicro())
	}
	if after.Since != w.now || after.Mark != nil {
		t.Fatalf("a new grant has its own time and no mark: %+v", after)
	}
	w.highest = after.Fence
	w.grants[after.Fence] = after.Holder
}

// judgeRow compares the row with the line, entry by entry: this is exclusion,
// FIFO, no lost waiter and no ghost at once.
func (w *world) judgeRow(t *rapid.T) {
	if !w.row.Held() && len(w.row.Queue) > 0 {
		t.Fatalf("waiters of a free lock: %+v", w.row)
	}
	if row := slices.Collect(w.row.Places()); !slices.Equal(row, w.line) {
		t.Fatalf("the row has %v, and %v asked and did not leave", row, w.line)
	}
	if (w.row.Mark != nil) != w.marked {
		t.Fatalf("mark %v, revoked %v", w.row.Mark, w.marked)
	}
	if len(w.promised) > 1 {
		t.Fatalf("promised to several: %v", w.promised)
	}
	for p, fence := range w.promised {
		if !w.row.HeldBy(p) || w.row.Fence != fence || w.grants[fence] != p {
			t.Fatalf("%v was promised fence %d, and the row is %+v", p, fence, w.row)
		}
	}
}

// leave takes those who match out of the line, and with a holder its mark.
func (w *world) leave(match func(driver.Place) bool) {
	if len(w.line) > 0 && match(w.line[0]) {
		w.marked = false
	}
	w.line = slices.DeleteFunc(w.line, match)
	for p := range w.promised {
		if match(p) {
			delete(w.promised, p)
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
	if w.row.HeldBy(p) {
		w.promised[p] = w.row.Fence
	}
}

func (w *world) acquire(t *rapid.T, p driver.Place, wait, lost bool) {
	if !slices.Contains(w.line, p) && (wait || len(w.line) == 0) {
		w.line = append(w.line, p)
	}
	w.call(t, func(l *driver.Lock) bool { return machine.Acquire(l, p, wait, w.now) })
	if !lost {
		w.tell(p)
	}
}

func (w *world) release(t *rapid.T, p driver.Place) {
	want := driver.Absent
	switch slices.Index(w.line, p) {
	case -1:
	case 0:
		want = driver.Released
	default:
		want = driver.Cancelled
	}
	w.leave(func(q driver.Place) bool { return q == p })
	w.call(t, func(l *driver.Lock) bool {
		got := machine.Release(l, p, w.now)
		if got != want {
			t.Fatalf("release returned %v, not %v", got, want)
		}
		want = driver.Absent // of the repetition
		return got != driver.Absent
	})
}

func (w *world) takeOver(t *rapid.T, gone []driver.ID, ended uint64) {
	over := w.marked && w.row.Fence == ended
	holder := w.row.Holder
	w.leave(func(p driver.Place) bool {
		return slices.Contains(gone, p.Lease) || over && p == holder
	})
	w.call(t, func(l *driver.Lock) bool { return machine.TakeOver(l, gone, ended, w.now) })
}

func (w *world) revoke(t *rapid.T, fence uint64, reason string) {
	want := len(w.line) > 0 && w.row.Fence == fence
	first := w.row.Mark
	w.marked = w.marked || want
	w.call(t, func(l *driver.Lock) bool {
		inForce, changed := machine.Revoke(l, fence, driver.Mark{Reason: reason})
		if inForce != want {
			t.Fatalf("revoke of %d says in force: %v, and the row is %+v", fence, inForce, *l)
		}
		return changed
	})
	if first != nil && w.row.Mark != nil && first.Reason != w.row.Mark.Reason {
		t.Fatalf("the first mark %q was replaced by %q", first.Reason, w.row.Mark.Reason)
	}
}

// String shows the row where rapid reports a failure.
func (w *world) String() string { return fmt.Sprintf("%+v", w.row) }
