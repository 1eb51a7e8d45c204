package explore

import (
	"flag"
	"testing"
	"time"
)

var states = flag.Int("explore.states", 100_000, "how many states of each world are tried at the most; 0: all")

// limit is how many states the tests try of each world.
func limit() int {
	switch {
	case testing.Short() || raced:
		return min(*states, 5_000)
	default:
		return *states
	}
}

// TestNoOrderBreaksARule is the exploration. What it prints is in docs/faults.md.
func TestNoOrderBreaksARule(t *testing.T) {
	for _, b := range Worlds() {
		t.Run(b.Name, func(t *testing.T) {
			b.MaxStates = limit()
			started := time.Now()
			r := Run(b)
			t.Logf("%s; %.1f s", r, time.Since(started).Seconds())
			if r.Broken != "" {
				t.Errorf("%s\n%s", r.Broken, r.Trace())
			}
		})
	}
}

// TestSmallWorldsEnd makes sure that the states of a world without faults are finite,
// though time is not, and that the whole of it is tried.
func TestSmallWorldsEnd(t *testing.T) {
	r := Run(Bounds{Name: "one", Clients: 1, Names: 1, Attempts: 2, Tolerance: -1})
	if !r.Complete || r.Broken != "" || r.States < 50 || r.States > 5_000 {
		t.Errorf("%v", r)
	}
}

// TestABrokenRowIsNoticed breaks the database itself: a row that grants twice.
func TestABrokenRowIsNoticed(t *testing.T) {
	w := newWorld(&Bounds{Clients: 2, Names: 1, Attempts: 1, Tolerance: -1})
	for _, s := range []step{{kind: begin}, {kind: ask}, {kind: begin, client: 1}} {
		w.take(s)
	}
	w.db.locks[0].Holder, w.db.locks[0].Fence = w.people[1].attempt.place(), 0
	w.take(step{kind: ask, client: 1})
	if w.broke() == "" {
		t.Error("two clients believe, and no rule is broken")
	}
}
