package machine_test

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// TestPlainRowsCostNoMore: a cycle without waiters allocates nothing, and with them only
// the new queues, which a copy of the row must not share.
func TestPlainRowsCostNoMore(t *testing.T) {
	now := time.Now()
	attempt := func() driver.Attempt {
		return driver.Attempt{Name: "n", Lease: driver.NewID(), Ticket: driver.NewID()}
	}
	a, b, c := attempt(), attempt(), attempt()
	l := driver.Lock{Name: "n"}
	cycle := func(waiters ...driver.Attempt) {
		if _, err := machine.Acquire(&l, a, true, now); err != nil || !l.HeldBy(a.Place()) {
			t.Fatal("not granted")
		}
		for _, w := range waiters {
			_, _ = machine.Acquire(&l, w, true, now)
		}
		machine.Release(&l, a.Place(), now)
		for _, w := range waiters {
			machine.Release(&l, w.Place(), now)
		}
		if l.Held() || len(l.Queue) > 0 {
			t.Fatal("not released")
		}
	}
	if n := testing.AllocsPerRun(100, func() { cycle() }); n != 0 {
		t.Errorf("%v allocations a cycle, want 0", n)
	}
	// Two to append, one for the queue that is left.
	if n := testing.AllocsPerRun(100, func() { cycle(b, c) }); n > 3 {
		t.Errorf("%v allocations a cycle with two waiters, want 3", n)
	}
	if _, err := machine.Acquire(&l, a, true, now); err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { machine.TakeOver(&l, nil, 0, now) }); n != 0 {
		t.Errorf("%v allocations of a take-over from nobody, want 0", n)
	}
}
