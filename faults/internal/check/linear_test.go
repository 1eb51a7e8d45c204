package check

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

const ms = time.Millisecond

// hold returns a grant that was asked for, granted, believed in until end and
// released, at these milliseconds; released 0: it was not.
func hold(op, fence uint64, called, granted, end, released time.Duration) *grant {
	g := &grant{
		key: key{"0.1.1", op}, name: "n", fence: fence,
		called: called * ms, granted: granted * ms, end: end * ms, released: released * ms,
	}
	if released == 0 {
		g.released = never
	}
	return g
}

func TestLinear(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want string // part of what is said; empty: nothing
		list []*grant
	}{
		"one after the other":                     {"", []*grant{hold(1, 1, 0, 10, 20, 21), hold(2, 2, 30, 31, 40, 41)}},
		"asked for at the same time":              {"", []*grant{hold(1, 1, 0, 10, 20, 21), hold(2, 2, 0, 25, 40, 41)}},
		"returned late, when its trust was over":  {"", []*grant{hold(1, 1, 0, 100, 20, 0), hold(2, 2, 0, 25, 40, 41)}},
		"granted while the release is on its way": {"", []*grant{hold(1, 1, 0, 10, 20, 50), hold(2, 2, 15, 30, 40, 41)}},
		"a release of unknown outcome":            {"", []*grant{hold(1, 1, 0, 10, 20, 0), hold(2, 2, 15, 30, 40, 0)}},
		"granted at the instant of the release":   {"", []*grant{hold(1, 1, 0, 10, 20, 21), hold(2, 2, 15, 20, 40, 0)}},
		"granted before the holder let go":        {"no order", []*grant{hold(1, 1, 0, 10, 20, 21), hold(2, 2, 5, 19, 40, 41)}},
		"granted before the deadline":             {"fence 2", []*grant{hold(1, 1, 0, 10, 500, 0), hold(2, 2, 5, 490, 600, 0)}},
		"a fence that falls":                      {"no order", []*grant{hold(1, 2, 0, 10, 20, 21), hold(2, 1, 30, 40, 50, 51)}},
		"a fence given twice":                     {"no order", []*grant{hold(1, 7, 0, 10, 20, 21), hold(2, 7, 30, 40, 50, 51)}},
		"inside another, two before":              {"no order", []*grant{hold(1, 1, 0, 10, 90, 91), hold(2, 2, 5, 30, 20, 0), hold(3, 3, 40, 50, 60, 61)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, window := range []int{1, 2, 500} {
				found := linearName("n", c.list, window)
				if c.want == "" && len(found) > 0 {
					t.Errorf("in windows of %d: %v", window, found)
				}
				if c.want != "" && (len(found) == 0 || found[0].Kind != Linear || !strings.Contains(found[0].Text, c.want)) {
					t.Errorf("in windows of %d: %v, want %q", window, found, c.want)
				}
			}
		})
	}
}

// TestWindowsAreExact compares the check in windows with that of the whole, on
// random histories of which about half can be put in order.
func TestWindowsAreExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	verdicts := map[bool]int{}
	for range 600 {
		list := random(r, 12)
		whole := linearName("n", list, len(list))
		verdicts[len(whole) == 0]++
		for _, window := range []int{1, 2, 5} {
			if part := linearName("n", list, window); (len(part) == 0) != (len(whole) == 0) {
				t.Fatalf("in windows of %d %v, as a whole %v, of %v", window, part, whole, list)
			}
		}
	}
	if verdicts[true] < 100 || verdicts[false] < 100 {
		t.Errorf("it compared %d that are good and %d that are bad", verdicts[true], verdicts[false])
	}
}

// random returns a history in order, in which up to two intervals are then moved.
func random(r *rand.Rand, n int) (list []*grant) {
	at := time.Duration(0)
	for i := range n {
		some := func() time.Duration { return time.Duration(r.IntN(30)) }
		taken := at + some()
		gone := taken + some()
		g := hold(uint64(i), uint64(i+1), max(0, taken-some()), taken+some(), gone-some()/2, gone+some())
		if r.IntN(4) == 0 {
			g.released = never
		}
		list = append(list, g)
		at = gone
	}
	for range r.IntN(5) {
		g, by := list[r.IntN(n)], time.Duration(r.IntN(160)-80)*ms
		g.called, g.granted, g.end = max(0, g.called+by), max(0, g.granted+by), max(0, g.end+by)
	}
	slices.SortStableFunc(list, func(a, b *grant) int { return cmp.Compare(a.granted, b.granted) })
	return list
}

// TestLongHistory checks as many grants of one name as an hour may have, with one flaw at the
// seam of two windows.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	const n = 50_000
	var list []*grant
	for i := range n {
		at := time.Duration(10 * i)
		list = append(list, hold(uint64(i), uint64(i+1), max(0, at-300), at+2, at+8, at+9))
	}
	started := time.Now()
	if found := linearName("n", list, window); len(found) > 0 {
		t.Errorf("a good history: %v", found)
	}
	if took := time.Since(started); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	list[window-1].end += 20 * ms // after the grant that the next window begins with
	list[window-1].released = never
	if found := linearName("n", list, window); len(found) != 1 || !strings.Contains(found[0].Text, "fence 501") {
		t.Errorf("a flaw at a seam: %v", found)
	}
}

// TestScheduleIsExact compares the place of each grant with what porcupine finds, on
// random histories of readers, writers and permits.
func TestScheduleIsExact(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(3, 4))
	verdicts := map[bool]int{}
	for n := range 600 {
		list := random(r, 7)
		for i, g := range list {
			switch {
			case n%2 == 0:
				g.Terms = history.Terms{Mode: history.Permit, Permits: 2}
			case i%3 > 0:
				g.Terms = history.Terms{Mode: history.Shared}
			}
			if r.IntN(3) == 0 {
				g.end += time.Duration(r.IntN(60)) * ms
				g.released = max(g.released, g.end)
			}
		}
		slices.SortFunc(list, func(a, b *grant) int { return cmp.Compare(a.fence, b.fence) })
		plan, found := schedule("n", list)
		verdicts[len(found) == 0]++
		if whole := linearWindow("n", plan, 0, len(plan)); (whole == nil) != (len(found) == 0) {
			t.Fatalf("porcupine: %v; placed: %v, of %v", whole, found, list)
		}
		for _, window := range []int{1, 2, 3} {
			if part := linearName("n", list, window); len(found) == 0 && len(part) > 0 {
				t.Fatalf("in windows of %d %v, of %v", window, part, list)
			}
		}
	}
	if verdicts[true] < 100 || verdicts[false] < 100 {
		t.Errorf("it compared %d that are good and %d that are bad", verdicts[true], verdicts[false])
	}
}
