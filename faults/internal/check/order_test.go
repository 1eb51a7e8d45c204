package check_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// wait is one acquisition of the name "n", which is queued at one instant, and granted
// at another; fence 0: it is given up instead.
type wait struct {
	client         string
	op, fence      uint64
	called, queued time.Duration
	ended          time.Duration
	lease          string
}

func (w wait) events() []history.Event {
	e := history.Event{Client: w.client, Op: w.op, Name: "n"}
	at := func(kind history.Kind, at time.Duration) history.Event {
		e := e
		e.Kind, e.At = kind, at
		return e
	}
	called := at(history.Called, w.called)
	called.Until = w.ended
	all := []history.Event{called}
	if w.queued != 0 {
		all = append(all, at(history.Queued, w.queued))
	}
	if w.fence == 0 {
		refused := at(history.Refused, w.ended+ms)
		refused.Detail = "held by another"
		return append(all, refused)
	}
	granted, gone, released := at(history.Granted, w.ended), at(history.LetGo, w.ended+5*ms), at(history.Released, w.ended+6*ms)
	granted.Until, granted.Fence, granted.Lease = w.ended+ttl/2, w.fence, w.lease
	return append(all, granted, gone, released)
}

// queue returns a history in which a client has held a lock of its own, so that its
// lease is known, waits from 100 ms to 400 ms, and then holds another; a second
// one asks 50 ms after it was queued, and has its turn after it.
func queue() *trial {
	t := &trial{}
	t.lease("0.1.1", "a", 10*ms, 900*ms)
	t.wait(wait{client: "0.1.1", op: 2, fence: 20, called: 90 * ms, queued: 100 * ms, ended: 400 * ms, lease: "a"})
	t.wait(wait{client: "1.1.1", op: 2, fence: 30, called: 150 * ms, queued: 160 * ms, ended: 450 * ms, lease: "b"})
	return t
}

func (t *trial) wait(w wait) { t.events = append(t.events, w.events()...) }

// lease gives a client two grants of a name of its own under one lease.
func (t *trial) lease(client, lease string, first, last time.Duration) {
	for i, at := range []time.Duration{first, last} {
		e := history.Event{Client: client, Op: uint64(100 + i), Name: "own/" + client, Fence: uint64(i + 1), Lease: lease}
		e.Kind, e.At = history.Called, at-ms
		t.add(e)
		e.Kind, e.At, e.Until = history.Granted, at, at+ttl/2
		t.add(e)
		e.Kind, e.At = history.LetGo, at+ms
		t.add(e)
	}
}

// second returns the events of the second one's wait, to be replaced.
func (t *trial) second(w wait) {
	t.events = slices.DeleteFunc(t.events, func(e history.Event) bool { return e.Client == "1.1.1" })
	t.wait(w)
}

func TestOrder(t *testing.T) {
	t.Parallel()
	overtakes := wait{client: "1.1.1", op: 2, fence: 15, called: 150 * ms, ended: 300 * ms, lease: "b"}
	vain := func(r *trial) {
		r.events = slices.DeleteFunc(r.events, func(e history.Event) bool { return e.Client == "0.1.1" && e.Op == 2 })
		r.wait(wait{client: "0.1.1", op: 2, called: 90 * ms, queued: 100 * ms, ended: 400 * ms})
		r.second(overtakes)
	}
	for name, c := range map[string]struct {
		want   string // part of what is said; empty: nothing
		change func(*trial)
	}{
		"in turn":                            {"", func(*trial) {}},
		"overtaken by one who called later":  {"called later, at 150ms: client 1.1.1, fence 15", func(r *trial) { r.second(overtakes) }},
		"overtaken by a try":                 {"fence 15", func(r *trial) { w := overtakes; w.called = 299 * ms; r.second(w) }},
		"overtaken, and never granted":       {"in vain", vain},
		"two calls in flight at once":        {"", func(r *trial) { w := overtakes; w.called = 99 * ms; r.second(w) }},
		"a lease that was lost in the queue": {"", func(r *trial) { r.second(overtakes); r.find(history.Granted, 20).Lease = "c" }},
		"a lease of which nothing is known before": {"", func(r *trial) {
			r.second(overtakes)
			r.events = slices.DeleteFunc(r.events, func(e history.Event) bool { return e.Name == "own/0.1.1" })
		}},
		"a wait that ended before its time": {"", func(r *trial) {
			vain(r)
			for i := range r.events {
				if e := &r.events[i]; e.Kind == history.Called && e.At == 90*ms {
					e.Until = 900 * ms
				}
			}
		}},
		"in vain, with a lease of its own": {"", func(r *trial) {
			vain(r)
			for i := range r.events {
				if e := &r.events[i]; e.Kind == history.Called && e.At == 90*ms {
					e.TTL = 750 * ms
				}
			}
		}},
		"granted later than the other gave up": {"", func(r *trial) { vain(r); w := overtakes; w.ended = 401 * ms; r.second(w) }},
		"closed while the other was granted it": {"", func(r *trial) {
			vain(r)
			r.add(history.Event{At: 200 * ms, Client: "0.1.1", Kind: history.Closing})
		}},
		"queued again after a failover": {"", func(r *trial) {
			r.second(overtakes)
			r.add(history.Event{At: 200 * ms, Kind: history.Promoted, Detail: history.Sync})
		}},
		"a failover long before": {"fence 15", func(r *trial) {
			r.second(overtakes)
			for i := range r.events {
				r.events[i].At += time.Minute
				r.events[i].Until += time.Minute
			}
			r.add(history.Event{At: 200 * ms, Kind: history.Promoted, Detail: history.Sync})
		}},
		"asked again": {"", func(r *trial) {
			r.second(overtakes)
			r.add(history.Event{At: 160 * ms, Client: "0.1.1", Op: 2, Name: "n", Kind: history.Queued})
		}},
		"revoked before it knew": {"", func(r *trial) {
			r.second(overtakes)
			r.add(history.Event{At: 160 * ms, Client: "2.1.1", Name: "n", Kind: history.Revoking, Fence: 12})
		}},
		"the one before was revoked": {"fence 15", func(r *trial) {
			r.second(overtakes)
			r.wait(wait{client: "3.1.1", op: 1, fence: 12, called: 50 * ms, ended: 60 * ms, lease: "d"})
			r.add(history.Event{At: 160 * ms, Client: "2.1.1", Name: "n", Kind: history.Revoking, Fence: 12})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := queue()
			c.change(r)
			r.expect(t, check.Order, c.want)
		})
	}
}

// expect checks that there is a violation of the kind that says so, or none at all.
func (t *trial) expect(tb testing.TB, kind check.Kind, want string) {
	tb.Helper()
	found := slices.DeleteFunc(t.violations(), func(v check.Violation) bool { return v.Kind != kind })
	if want == "" && len(found) > 0 {
		tb.Errorf("reported: %v", found)
	}
	if want != "" && !slices.ContainsFunc(found, func(v check.Violation) bool { return strings.Contains(v.String(), want) }) {
		tb.Errorf("want %q, got %v", want, found)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	// A client waits for 6 TTLs; the limit is 5.
	long := func() *trial {
		r := &trial{}
		r.lease("0.1.1", "a", 10*ms, 8*ttl)
		r.wait(wait{client: "0.1.1", op: 2, fence: 20, called: 90 * ms, queued: 100 * ms, ended: 6 * ttl, lease: "a"})
		return r
	}
	fault := func(r *trial, client string, from, to time.Duration) {
		r.add(history.Event{At: from, Client: client, Kind: history.Fault, Detail: "x"})
		r.add(history.Event{At: to, Client: client, Kind: history.Healed, Detail: "x"})
	}
	for name, c := range map[string]struct {
		want   string
		change func(*trial)
	}{
		"nobody holds it":               {"client 0.1.1 waited", func(*trial) {}},
		"it gives up":                   {"client 0.1.1 waited", func(r *trial) { r.events = giveUp(r.events) }},
		"somebody holds it in between":  {"", func(r *trial) { r.wait(wait{client: "1.1.1", op: 1, fence: 10, called: ms, ended: 3 * ttl}) }},
		"somebody held it at the start": {"", func(r *trial) { r.wait(wait{client: "1.1.1", op: 1, fence: 10, called: ms, ended: 3 * ttl / 2}) }},
		"a process is stopped":          {"", func(r *trial) { fault(r, "1.1", ttl, 3*ttl) }},
		"one is stopped for a moment":   {"waited", func(r *trial) { fault(r, "1.1", ttl, ttl+ms) }},
		"one was stopped before":        {"waited", func(r *trial) { fault(r, "1.1", ms, 50*ms) }},
		"the server is down":            {"", func(r *trial) { fault(r, "", ttl, 3*ttl) }},
		"a new primary": {"", func(r *trial) {
			r.add(history.Event{At: ttl, Kind: history.Promoted, Detail: history.Async})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := long()
			c.change(r)
			r.expect(t, check.Wait, c.want)
		})
	}
}

// giveUp turns the grant with fence 20 into a wait in vain.
func giveUp(events []history.Event) []history.Event {
	events = slices.DeleteFunc(events, func(e history.Event) bool { return e.Client == "0.1.1" && e.Op == 2 })
	return append(events, wait{client: "0.1.1", op: 2, called: 90 * ms, queued: 100 * ms, ended: 6 * ttl}.events()...)
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	r := queue()
	r.violations() // puts the events in order
	m := check.Measure(r.events)
	if m.Waits != 1 || m.Idle != 300*ms {
		t.Errorf("%d waits, idle for %v", m.Waits, m.Idle)
	}
}
