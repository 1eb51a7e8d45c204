package liveness

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

var (
	base = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	id   = driver.ID{1}
)

// ttl 10 s: margin 250 ms.
func view(beat uint64, age time.Duration) driver.View {
	s := driver.LeaseState{Lease: driver.Lease{ID: id, TTL: 10 * time.Second}, Beat: beat, Age: age}
	return driver.View{Leases: map[driver.ID]driver.LeaseState{id: s}}
}

func at(d time.Duration) time.Time { return base.Add(d) }

func TestObservedExpiryCountsFromTheFirstReceipt(t *testing.T) {
	tr := New()
	for _, step := range []struct {
		at   time.Duration
		beat uint64
		want bool
	}{
		{0, 1, false},
		{10 * time.Second, 1, false},
		{10*time.Second + 249*time.Millisecond, 1, false},
		{10*time.Second + 250*time.Millisecond, 1, true},
		{11 * time.Second, 2, false}, // it was alive after all
		{21*time.Second + 249*time.Millisecond, 2, false},
		{21*time.Second + 250*time.Millisecond, 2, true},
	} {
		suspects, _ := tr.Suspects(view(step.beat, 0), at(step.at), Rules{Tolerance: -1})
		if got := len(suspects) == 1; got != step.want {
			t.Fatalf("at %v with beat %d: suspect %v, want %v", step.at, step.beat, got, step.want)
		}
		if step.want && suspects[0].Grounds != (driver.Grounds{Observed: step.beat}) {
			t.Fatalf("grounds %+v", suspects[0].Grounds)
		}
	}
}

func TestForgetDropsEverySighting(t *testing.T) {
	tr := New()
	tr.Suspects(view(1, 0), at(0), Rules{Tolerance: -1})
	tr.Forget()
	if s, _ := tr.Suspects(view(1, 0), at(time.Minute), Rules{Tolerance: -1}); len(s) != 0 {
		t.Fatal("a sighting of before counted")
	}
}

func TestOverdue(t *testing.T) {
	for _, c := range []struct {
		name      string
		age       time.Duration
		tolerance time.Duration
		want      time.Duration // the tolerance in the grounds; 0: no suspect
	}{
		{"default, fresh", 0, 0, 0},
		{"default, at the limit", 20 * time.Second, 0, 0},
		{"default, over", 20*time.Second + 1, 0, 10 * time.Second},
		{"configured, over", 11*time.Second + 1, time.Second, time.Second},
		{"never", time.Hour, -1, 0},
	} {
		suspects, _ := New().Suspects(view(1, c.age), at(0), Rules{Tolerance: c.tolerance})
		var got time.Duration
		if len(suspects) == 1 {
			got = suspects[0].Grounds.Overdue
		}
		if got != c.want {
			t.Errorf("%s: overdue grounds %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOwnAndLivingLeasesAreNotJudged(t *testing.T) {
	if s, _ := New().Suspects(view(1, time.Hour), at(0), Rules{Self: id}); len(s) != 0 {
		t.Error("judged its own lease")
	}
	v := view(1, time.Hour)
	s := v.Leases[id]
	s.Liveness = driver.Alive
	v.Leases[id] = s
	if s, _ := New().Suspects(v, at(0), Rules{}); len(s) != 0 {
		t.Error("judged a lease known to live")
	}
}

func TestMarkIsOverAfterTheHoldersTTLAndMargin(t *testing.T) {
	tr := New()
	v := view(1, 0)
	l := driver.Lock{Name: "x", Fence: 7, Holder: driver.Place{Lease: id, Ticket: driver.ID{2}}, Mark: &driver.Mark{}}
	for _, step := range []struct {
		at   time.Duration
		want uint64
	}{{0, 0}, {10*time.Second + 249*time.Millisecond, 0}, {10*time.Second + 250*time.Millisecond, 7}} {
		if got, _ := tr.Over(l, v, at(step.at), Rules{Tolerance: -1}); got != step.want {
			t.Fatalf("at %v: ended %d, want %d", step.at, got, step.want)
		}
	}
}

// Of two revoked members each is over after the TTL of its own lease.
func TestMarksOfMembers(t *testing.T) {
	short, long := driver.ID{1}, driver.ID{2}
	l := driver.Lock{Name: "x", Fence: 9, Members: []driver.Grant{
		{Place: driver.Place{Lease: long, Ticket: driver.ID{3}}, Fence: 7, Mark: &driver.Mark{}},
		{Place: driver.Place{Lease: short, Ticket: driver.ID{4}}, Fence: 8, Mark: &driver.Mark{}},
		{Place: driver.Place{Lease: short, Ticket: driver.ID{5}}, Fence: 9},
	}}
	v := driver.View{Locks: []driver.Lock{l}, Leases: map[driver.ID]driver.LeaseState{
		long:  {Lease: driver.Lease{ID: long, TTL: 20 * time.Second}},
		short: {Lease: driver.Lease{ID: short, TTL: 10 * time.Second}},
	}}
	tr := New()
	for _, step := range []struct {
		at   time.Duration
		want uint64
		next time.Duration
	}{
		{0, 0, 10*time.Second + 250*time.Millisecond},
		{10*time.Second + 250*time.Millisecond, 8, 0},
		{20*time.Second + 250*time.Millisecond, 7, 0},
	} {
		got, next := tr.Over(l, v, at(step.at), Rules{Tolerance: -1})
		if got != step.want || step.next > 0 && !next.Equal(at(step.next)) {
			t.Fatalf("at %v: ended %d, next %v; want %d and %v", step.at, got, next.Sub(base), step.want, step.next)
		}
		tr.Retain(v)
	}
}

func TestUnserved(t *testing.T) {
	queue := []driver.Waiter{{Place: driver.Place{Lease: id, Ticket: driver.ID{2}}}}
	held := driver.Place{Lease: id, Ticket: driver.ID{3}}
	for _, c := range []struct {
		name string
		lock driver.Lock
		due  bool
		next time.Duration // at least; 0: never
	}{
		{"free", driver.Lock{}, false, 0},
		{"held", driver.Lock{Holder: held, KeptUntil: at(time.Hour), Queue: queue}, false, 0},
		{"shared", driver.Lock{Members: []driver.Grant{{Place: held}}, Queue: queue}, false, 0},
		{"kept, nobody waits", driver.Lock{KeptUntil: at(time.Hour), Kept: time.Hour}, false, 0},
		{"kept", driver.Lock{KeptUntil: at(time.Hour), Kept: time.Hour, Queue: queue}, false, time.Hour},
		{"not kept any longer", driver.Lock{KeptUntil: at(-time.Hour), Queue: queue}, true, 0},
	} {
		due, next := Unserved(c.lock, at(0))
		if late := next.Sub(at(c.next)); due != c.due || next.IsZero() != (c.next == 0) || c.next > 0 && (late <= 0 || late > time.Second) {
			t.Errorf("%s: due %v, next %v", c.name, due, next.Sub(base))
		}
	}
}

func TestNextLookComesJustAfterTheNextRenewal(t *testing.T) {
	_, next := New().Suspects(view(1, time.Second), at(0), Rules{Tolerance: -1})
	due := at(10*time.Second/3 - time.Second)
	if next.Before(due) || next.After(due.Add(100*time.Millisecond)) {
		t.Fatalf("next look %v after the first, the renewal is due at %v", next.Sub(base), due.Sub(base))
	}
}

func TestGone(t *testing.T) {
	a, b, c := driver.ID{1}, driver.ID{2}, driver.ID{3}
	l := driver.Lock{Holder: driver.Place{Lease: a, Ticket: a}, Queue: []driver.Waiter{{Place: driver.Place{Lease: b}}, {Place: driver.Place{Lease: c}}, {Place: driver.Place{Lease: b}}}}
	v := driver.View{Leases: map[driver.ID]driver.LeaseState{a: {}, c: {}}}
	gone := Gone(l, v, []driver.ID{a})
	if len(gone) != 2 || gone[0] != a || gone[1] != b {
		t.Fatalf("gone %v", gone)
	}
}

// The pause counts from the receipt of the first reply that showed it, and anew for
// another epoch.
func TestGrace(t *testing.T) {
	var g Grace
	const longest = 10 * time.Second
	start := time.Now()
	lasts := longest + clock.Margin(longest)
	for _, step := range []struct {
		epoch uint64
		after time.Duration
		want  bool
	}{
		{5, 0, false},
		{5, lasts - 1, false},
		{5, lasts, true},
		{6, lasts, false},
		{6, 2*lasts - 1, false},
		{6, 2 * lasts, true},
	} {
		if got := g.Over(step.epoch, longest, start.Add(step.after)); got != step.want {
			t.Errorf("epoch %d, after %v: %v", step.epoch, step.after, got)
		}
	}
	if got := g.Left(longest, start.Add(2*lasts-time.Second)); got != time.Second {
		t.Errorf("left %v", got)
	}
}
