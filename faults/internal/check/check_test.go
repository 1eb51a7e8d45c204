package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

const ms = time.Millisecond

// ttl is that of the clients; the margin is 80 ms.
const ttl = 1600 * ms

// life is one acquisition of the name "n" that was granted at one instant and let
// go of at another, with one increment in between.
type life struct {
	client        string
	op, fence     uint64
	granted, gone time.Duration
	until         time.Duration
	increment     string
}

func (l life) events() []history.Event {
	e := history.Event{Client: l.client, Op: l.op, Name: "n", Fence: l.fence}
	at := func(kind history.Kind, at time.Duration) history.Event {
		e := e
		e.Kind, e.At = kind, at
		return e
	}
	called, granted := at(history.Called, l.granted-ms), at(history.Granted, l.granted)
	called.Fence, granted.Until = 0, l.until
	events := []history.Event{called, granted}
	if l.increment != "" {
		begun, acked := at(history.Begun, l.granted+ms), at(history.Acked, l.granted+2*ms)
		begun.ID, acked.ID = l.increment, l.increment
		events = append(events, begun, acked)
	}
	if l.gone > 0 {
		events = append(events, at(history.LetGo, l.gone), at(history.Released, l.gone+ms))
	}
	return events
}

// trial is a history in the making, and what remains after it.
type trial struct {
	events  []history.Event
	remains check.Remains
}

// good returns a history without a flaw: a client that holds and releases, one
// that is stopped and loses, one that is killed, and a fourth after them.
func good() *trial {
	t := &trial{}
	for _, client := range []string{"0.1.1", "1.1.1", "2.1.1", "3.1.1"} {
		t.add(history.Event{At: ms, Client: client, Kind: history.Opened})
	}
	t.live(life{client: "0.1.1", op: 1, fence: 10, granted: 100 * ms, gone: 150 * ms, until: 1500 * ms, increment: "a"})
	t.live(life{client: "1.1.1", op: 1, fence: 20, granted: 200 * ms, until: 1600 * ms, increment: "b"})
	t.add(history.Event{At: 1600 * ms, Client: "1.1.1", Op: 1, Kind: history.Lost, Name: "n", Fence: 20})
	t.live(life{client: "2.1.1", op: 1, fence: 30, granted: 1700 * ms, until: 3200 * ms, increment: "c"})
	t.add(history.Event{At: 1800 * ms, Client: "2.1", Kind: history.Killed})
	t.live(life{client: "3.1.1", op: 1, fence: 40, granted: 1900 * ms, gone: 2000 * ms, until: 3400 * ms, increment: "d"})
	for _, client := range []string{"0.1.1", "1.1.1", "3.1.1"} {
		t.add(history.Event{At: 4000 * ms, Client: client, Kind: history.Closing})
		t.add(history.Event{At: 4001 * ms, Client: client, Kind: history.Closed})
	}
	t.remains = check.Remains{
		Counters: map[string]int64{"n": 4, "unused": 0},
		Ledger: []database.Entry{
			{ID: "a", Name: "n", Value: 1, Fence: 10}, {ID: "b", Name: "n", Value: 2, Fence: 20},
			{ID: "c", Name: "n", Value: 3, Fence: 30}, {ID: "d", Name: "n", Value: 4, Fence: 40},
		},
		Owners: []string{"2.1.1"},
	}
	return t
}

func (t *trial) add(e history.Event) { t.events = append(t.events, e) }
func (t *trial) live(l life)         { t.events = append(t.events, l.events()...) }

// find returns the first event of that kind that carries the fence.
func (t *trial) find(kind history.Kind, fence uint64) *history.Event {
	i := slices.IndexFunc(t.events, func(e history.Event) bool { return e.Kind == kind && e.Fence == fence })
	return &t.events[i]
}

func (t *trial) violations() []check.Violation {
	slices.SortStableFunc(t.events, func(a, b history.Event) int { return int(a.At - b.At) })
	return check.Run(t.events, t.remains, ttl)
}

func TestGoodHistoryPasses(t *testing.T) {
	t.Parallel()
	if found := good().violations(); len(found) > 0 {
		t.Errorf("a good history: %v", found)
	}
	if n := check.Orphans(good().events, good().remains); n != 1 {
		t.Errorf("%d orphans, want the one that was killed", n)
	}
}

// TestNotViolations has histories that look odd and are allowed.
func TestNotViolations(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*trial){
		"a loss is noticed early, a grant follows the deadline": func(r *trial) {
			r.find(history.Lost, 20).At = 300 * ms
		},
		"a grant that was returned when its trust was over": func(r *trial) {
			r.live(life{client: "0.1.1", op: 2, fence: 25, granted: 3500 * ms, until: 3400 * ms})
			r.find(history.Called, 0).At = 90 * ms
			for i := range r.events {
				if e := &r.events[i]; e.Kind == history.Called && e.Op == 2 {
					e.At = 1600 * ms
				}
			}
		},
		"a look at the lock while it is let go of": func(r *trial) {
			r.add(history.Event{At: 151 * ms, Client: "0.1.1", Op: 1, Kind: history.Believed, Name: "n", Fence: 10, Until: 1500 * ms, Limit: 1501 * ms})
		},
		"a lease that Close could not delete within the TTL": func(r *trial) {
			r.find(history.Closed, 0).At = 4000*ms + ttl
			r.remains.Owners = []string{"0.1.1"}
		},
		"a lease left under a fault that lasted all its life": func(r *trial) {
			r.add(history.Event{At: ms / 2, Kind: history.Fault, Detail: "no disk"})
			r.add(history.Event{At: 9000 * ms, Kind: history.Healed, Detail: "no disk"})
			r.remains.Owners = []string{"3.1.1"}
		},
		"an unknown commit that is stored": func(r *trial) { r.find(history.Acked, 10).Kind = history.Unknown },
		"an unknown commit that is not": func(r *trial) {
			r.add(history.Event{At: 110 * ms, Client: "0.1.1", Op: 1, Kind: history.Begun, ID: "x", Name: "n", Fence: 10})
			r.add(history.Event{At: 111 * ms, Client: "0.1.1", Op: 1, Kind: history.Unknown, ID: "x", Name: "n", Fence: 10})
		},
		"a client that was closed stops believing": func(r *trial) {
			r.live(life{client: "0.1.1", op: 3, fence: 50, granted: 3990 * ms, until: 5000 * ms})
			r.live(life{client: "4.1.1", op: 1, fence: 60, granted: 4010 * ms, until: 5000 * ms})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			change(r)
			if found := r.violations(); len(found) > 0 {
				t.Errorf("reported: %v", found)
			}
		})
	}
}

func TestViolationsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   check.Kind
		text   string // part of what is said
		change func(*trial)
	}{
		"a grant before the holder's deadline": {check.Overlap, "1.1.1", func(r *trial) {
			r.find(history.Granted, 20).Until = 1750 * ms
		}},
		"a deadline that moved past the next grant": {check.Overlap, "1.1.1", func(r *trial) {
			r.add(history.Event{At: 1000 * ms, Client: "1.1.1", Op: 1, Kind: history.Believed, Name: "n", Fence: 20, Until: 2400 * ms, Limit: 2401 * ms})
		}},
		"a loss does not excuse an early grant": {check.Overlap, "1.1.1", func(r *trial) {
			r.find(history.Granted, 20).Until = 2000 * ms
			r.find(history.Lost, 20).At = 300 * ms
		}},
		"a grant inside a longer one, not next to it": {check.Overlap, "5.1.1", func(r *trial) {
			r.live(life{client: "5.1.1", op: 1, fence: 5, granted: 90 * ms, until: 1950 * ms})
		}},
		"two holds of one client": {check.Overlap, "0.1.1", func(r *trial) {
			r.live(life{client: "0.1.1", op: 9, fence: 15, granted: 120 * ms, gone: 140 * ms, until: 1500 * ms})
		}},
		"a fence given twice": {check.Fence, "twice", func(r *trial) { r.find(history.Granted, 40).Fence = 10 }},
		"a fence that falls":  {check.Fence, "falls", func(r *trial) { r.find(history.Granted, 40).Fence = 25 }},
		"a fence that falls for one that never believed": {check.Fence, "asked for", func(r *trial) {
			r.live(life{client: "0.1.1", op: 2, fence: 25, granted: 3500 * ms, until: 3400 * ms})
		}},
		"belief after the deadline": {check.Belief, "after the deadline", func(r *trial) {
			r.add(history.Event{At: 1650 * ms, Client: "1.1.1", Op: 1, Kind: history.Believed, Name: "n", Fence: 20, Until: 1600 * ms, Limit: 1601 * ms})
		}},
		"a grant trusted for longer than the TTL less the margin": {check.Belief, "trusted for", func(r *trial) {
			r.find(history.Granted, 40).Until = 1900*ms + ttl - 60*ms
		}},
		"a lost update": {check.Counter, "an update was lost", func(r *trial) {
			r.remains.Ledger[2].Value, r.remains.Ledger[3].Value = 2, 3
			r.remains.Counters["n"] = 3
		}},
		"an acknowledged increment that is not stored": {check.Counter, "not stored", func(r *trial) {
			r.remains.Ledger, r.remains.Counters["n"] = r.remains.Ledger[:3], 3
		}},
		"an aborted increment that is stored":     {check.Counter, "was aborted", func(r *trial) { r.find(history.Acked, 40).Kind = history.Aborted }},
		"an increment from nowhere":               {check.Counter, "nobody began it", func(r *trial) { r.remains.Ledger[3].ID = "x" }},
		"a counter that is not its ledger":        {check.Counter, "after 4 increments", func(r *trial) { r.remains.Counters["n"] = 5 }},
		"a counter that is gone":                  {check.Counter, "no counter", func(r *trial) { delete(r.remains.Counters, "n") }},
		"a value that is left out":                {check.Counter, "first value", func(r *trial) { r.remains.Ledger[0].Value = 0 }},
		"an old holder that writes after a new":   {check.Counter, "under fence 20", func(r *trial) { r.remains.Ledger[1].Value, r.remains.Ledger[2].Value = 3, 2 }},
		"an increment stored under another fence": {check.Counter, "was of", func(r *trial) { r.remains.Ledger[0].Fence = 9 }},
		"an increment after the release": {check.Counter, "was released", func(r *trial) {
			r.find(history.LetGo, 10).At, r.find(history.Released, 10).At = 100*ms+ms/4, 100*ms+ms/2
		}},
		"a name that cannot be had": {check.Ghost, "could not be acquired", func(r *trial) { r.remains.Stuck = []string{"n"} }},
		"a row that names somebody": {check.Ghost, "ended: held by x", func(r *trial) {
			r.remains.Taken, r.remains.Rows = []string{"n"}, map[string]string{"n": "held by x"}
		}},
		"a lease of a closed client":    {check.Ghost, "lease of 0.1.1", func(r *trial) { r.remains.Owners = []string{"0.1.1"} }},
		"a lease of nobody that we had": {check.Ghost, "lease of fresh", func(r *trial) { r.remains.Owners = []string{"fresh"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			c.change(r)
			found := r.violations()
			if !slices.ContainsFunc(found, func(v check.Violation) bool { return v.Kind == c.kind && strings.Contains(v.String(), c.text) }) {
				t.Errorf("want %q of kind %s, got %v", c.text, c.kind, found)
			}
		})
	}
}
