package machine_test

import (
	"reflect"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// deep copies a row with all that it leads to, but for marks, which are not written to.
func deep(l driver.Lock) driver.Lock {
	l.Members, l.Queue, l.Data = slices.Clone(l.Members), slices.Clone(l.Queue), slices.Clone(l.Data)
	return l
}

// same compares two rows; no queue is the same as an empty one.
func same(a, b driver.Lock) bool { return reflect.DeepEqual(canonical(a), canonical(b)) }

func canonical(l driver.Lock) driver.Lock {
	l.Members = append([]driver.Grant{}, l.Members...)
	l.Queue = append([]driver.Waiter{}, l.Queue...)
	l.Data = append([]byte{}, l.Data...)
	return l
}

// judgeGrants compares the row before and after one transition: the fence rises
// with each grant, and with nothing else; and nobody is granted past one who waits.
func (w *world) judgeGrants(t *rapid.T, before, after driver.Lock) {
	last := before.Fence
	for g := range after.Grants() {
		if old, ok := before.GrantOf(g.Place); ok {
			if old.Fence != g.Fence || !old.Since.Equal(g.Since) || old.Mark != nil && g.Mark == nil {
				t.Fatalf("a grant changed: %+v to %+v", old, g)
			}
			continue
		}
		if g.Fence <= max(w.highest, last) || g.Fence < uint64(w.now.UnixMicro()) {
			t.Fatalf("fence %d was given after %d, at %d", g.Fence, w.highest, w.now.UnixMicro())
		}
		if !g.Since.Equal(w.now) || g.Mark != nil {
			t.Fatalf("a new grant has its own time and no mark: %+v", g)
		}
		for _, e := range before.Queue {
			if e.Place == g.Place {
				break
			}
			if after.Ahead(e.Place) >= 0 {
				t.Fatalf("%v was granted past %v: %+v to %+v", g.Place, e.Place, before, after)
			}
		}
		last = g.Fence
		w.grants[g.Fence] = g.Place
	}
	if after.Fence != last {
		t.Fatalf("the row says fence %d, and the last grant %d", after.Fence, last)
	}
	w.highest = max(w.highest, last)
}

// judgeRow compares the row with the second opinion, entry by entry: this is exclusion,
// FIFO, no lost waiter and no ghost at once. Then it checks the invariants themselves.
func (w *world) judgeRow(t *rapid.T) {
	var places []driver.Place
	for _, e := range slices.Concat(w.holding, w.line) {
		places = append(places, e.Place)
	}
	if row := slices.Collect(w.row.Places()); !slices.Equal(row, places) {
		t.Fatalf("the row has %v, and %v asked and did not leave: %+v", row, places, w.row)
	}
	if !slices.Equal(w.row.Queue, w.line) && len(w.line) > 0 {
		t.Fatalf("the queue is %+v, and %+v wait", w.row.Queue, w.line)
	}
	w.judgeHolders(t)
	if string(w.row.Data) != w.data || w.row.KeepData != w.keepData && w.data != "" {
		t.Fatalf("data %q kept %v, want %q %v", w.row.Data, w.row.KeepData, w.data, w.keepData)
	}
	if !w.row.KeptUntil.Equal(w.keptUntil) {
		t.Fatalf("kept until %v, want %v", w.row.KeptUntil, w.keptUntil)
	}
	if plain := !w.row.Held() && len(w.row.Queue) == 0 && w.keptUntil.IsZero() && w.data == ""; plain && !w.row.Plain() {
		t.Fatalf("nobody uses the row, and it is not plain: %+v", w.row)
	}
	for p, fence := range w.promised {
		if !w.holds(p, fence) {
			t.Fatalf("%v was promised fence %d, and the row is %+v", p, fence, w.row)
		}
	}
}

// judgeHolders checks who holds beside whom, and that the head of the queue could not.
func (w *world) judgeHolders(t *rapid.T) {
	if !may(w.holding) || w.row.Holder != (driver.Place{}) && len(w.row.Members) > 0 {
		t.Fatalf("these may not hold at once: %+v", w.row)
	}
	if limit := w.row.Limit; limit > 0 && len(w.row.Members) > limit {
		t.Fatalf("%d hold %d permits", len(w.row.Members), limit)
	}
	if len(w.line) > 0 && may(append(slices.Clone(w.holding), w.line[0])) && (len(w.holding) > 0 || w.keptUntil.IsZero()) {
		t.Fatalf("the head of the queue could hold: %+v", w.row)
	}
	for g := range w.row.Grants() {
		if (g.Mark != nil) != w.marked[g.Place] {
			t.Fatalf("mark %v, revoked %v", g.Mark, w.marked)
		}
	}
}

// judgeProgress lets everybody who holds leave, again and again: those who wait then are
// all granted, in order, and in the end the name can be used in any way.
func (w *world) judgeProgress(t *rapid.T) {
	for rounds := 0; w.row.Held() || len(w.row.Queue) > 0; rounds++ {
		if rounds > len(w.asked)+1 {
			t.Fatalf("some wait for ever: %+v", w.row)
		}
		w.now = w.now.Add(time.Minute)
		for _, e := range slices.Clone(w.holding) {
			w.release(t, e.Place)
		}
		w.takeOver(t, nil, 0)
	}
	w.now = w.now.Add(time.Minute)
	a := driver.Attempt{Name: "n", Lease: driver.NewID(), Ticket: driver.NewID(), Terms: driver.Terms{Mode: driver.Permit, Limit: 7}}
	if _, err := machine.Acquire(&w.row, a, false, w.now); err != nil || !w.row.HeldBy(a.Place()) {
		t.Fatalf("a name that nobody uses was not granted: %v, %+v", err, w.row)
	}
}
