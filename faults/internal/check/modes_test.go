package check_test

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

var (
	alone  = history.Terms{}
	reader = history.Terms{Mode: history.Shared}
	permit = history.Terms{Mode: history.Permit, Permits: 2}
)

// on adds a hold on these terms, from one instant to another. It was called just before.
func (t *trial) on(terms history.Terms, client string, fence uint64, from, to time.Duration) {
	t.called(terms, client, fence, from-ms, from, to)
}

func (t *trial) called(terms history.Terms, client string, fence uint64, called, from, to time.Duration) {
	e := history.Event{Client: client, Op: fence, Name: "n", Terms: terms}
	e.Kind, e.At = history.Called, called
	t.add(e)
	e.Kind, e.At, e.Fence, e.Until = history.Granted, from, fence, from+ttl/2
	t.add(e)
	e.Terms, e.Until = history.Terms{}, 0
	e.Kind, e.At = history.LetGo, to
	t.add(e)
	e.Kind, e.At = history.Released, to+ms/2
	t.add(e)
}

func TestModesExclude(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		overlap, linear string // part of what is said; empty: nothing
		change          func(*trial)
	}{
		"readers share": {"", "", func(r *trial) {
			r.on(reader, "0.1.1", 1, 10*ms, 50*ms)
			r.on(reader, "1.1.1", 2, 20*ms, 60*ms)
			r.on(alone, "2.1.1", 3, 70*ms, 80*ms)
			r.on(reader, "1.1.1", 4, 90*ms, 95*ms)
		}},
		"a writer beside the first of two readers": {"client 2.1.1", "fence 3", func(r *trial) {
			r.on(reader, "0.1.1", 1, 10*ms, 80*ms)
			r.on(reader, "1.1.1", 2, 20*ms, 60*ms)
			r.on(alone, "2.1.1", 3, 70*ms, 90*ms)
		}},
		"a reader beside a writer": {"shared, fence 2", "fence 2", func(r *trial) {
			r.on(alone, "0.1.1", 1, 10*ms, 50*ms)
			r.on(reader, "1.1.1", 2, 20*ms, 60*ms)
		}},
		"a reader that had released, returned late": {"", "", func(r *trial) {
			r.on(reader, "0.1.1", 1, 10*ms, 50*ms)
			r.called(reader, "1.1.1", 2, 15*ms, 90*ms, 95*ms)
			r.called(reader, "2.1.1", 3, 15*ms, 20*ms, 40*ms)
		}},
		"a writer between readers, out of order": {"", "no order", func(r *trial) {
			r.called(reader, "0.1.1", 3, 5*ms, 10*ms, 20*ms)
			r.called(alone, "1.1.1", 2, 25*ms, 30*ms, 40*ms)
		}},
		"two of two permits": {"", "", func(r *trial) {
			r.on(permit, "0.1.1", 1, 10*ms, 50*ms)
			r.on(permit, "1.1.1", 2, 20*ms, 60*ms)
			r.on(permit, "2.1.1", 3, 55*ms, 70*ms)
			r.on(permit, "0.1.1", 4, 65*ms, 80*ms)
		}},
		"three of two permits": {"one of 2 permits, fence 3", "fence 3", func(r *trial) {
			r.on(permit, "0.1.1", 1, 10*ms, 50*ms)
			r.on(permit, "1.1.1", 2, 20*ms, 60*ms)
			r.on(permit, "2.1.1", 3, 45*ms, 70*ms)
		}},
		"another limit": {"one of 3 permits", "fence 2", func(r *trial) {
			r.on(permit, "0.1.1", 1, 10*ms, 50*ms)
			r.on(history.Terms{Mode: history.Permit, Permits: 3}, "1.1.1", 2, 20*ms, 60*ms)
		}},
		"the place of one who gave up": {"", "", func(r *trial) {
			// Both readers are granted at 20 ms, the news for 0.1.1 come when its first
			// acquisition has given up, and its second one has taken that place.
			r.add(history.Event{At: 5 * ms, Client: "0.1.1", Op: 90, Name: "n", Kind: history.Called, Terms: reader})
			r.called(reader, "1.1.1", 2, 10*ms, 20*ms, 40*ms)
			r.called(reader, "0.1.1", 1, 30*ms, 50*ms, 60*ms)
			r.add(history.Event{At: 45 * ms, Client: "0.1.1", Op: 90, Name: "n", Kind: history.Refused})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &trial{}
			c.change(r)
			r.expect(t, check.Overlap, c.overlap)
			r.expect(t, check.Linear, c.linear)
		})
	}
}

func TestFencesOfReaders(t *testing.T) {
	t.Parallel()
	r := &trial{} // the news of the first grant came late
	r.called(reader, "0.1.1", 1, 5*ms, 30*ms, 50*ms)
	r.called(reader, "1.1.1", 2, 5*ms, 20*ms, 60*ms)
	r.expect(t, check.Fence, "")
	r.called(alone, "2.1.1", 0, 5*ms, 70*ms, 80*ms)
	r.find(history.Granted, 2).Fence = 3
	for i := range r.events {
		if e := &r.events[i]; e.Client == "2.1.1" && e.Kind == history.Granted {
			e.Fence = 2
		}
	}
	r.expect(t, check.Fence, "falls")
}

func TestMinimumHold(t *testing.T) {
	t.Parallel()
	kept := history.Terms{MinHold: 50 * ms}
	const first = 1_000_000 // a fence, in microseconds of the database's clock
	for name, c := range map[string]struct {
		want   string
		change func(*trial)
	}{
		"until it is over":          {"", func(r *trial) { r.on(alone, "1.1.1", first+50_000, 80*ms, 90*ms) }},
		"not long enough":           {"was to keep it for 50ms", func(r *trial) { r.on(alone, "1.1.1", first+40_000, 80*ms, 90*ms) }},
		"the clock was set forward": {"", func(r *trial) { r.on(alone, "1.1.1", first+9_000_000, 25*ms, 30*ms) }},
		"a fence that is no clock's": {"", func(r *trial) {
			r.on(alone, "0.1.1", first-1, 3*ms, 4*ms)
			r.on(alone, "1.1.1", first+10, 80*ms, 90*ms)
		}},
		"somebody ended it":           {"", func(r *trial) { r.on(alone, "1.1.1", first+10_000, 30*ms, 40*ms); r.revoke(first) }},
		"somebody ended another":      {"was to keep", func(r *trial) { r.on(alone, "1.1.1", first+10_000, 30*ms, 40*ms); r.revoke(5) }},
		"a failover may have lost it": {"", func(r *trial) { r.on(alone, "1.1.1", first+10_000, 30*ms, 40*ms); promote(r, 25*ms, history.Async) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &trial{}
			r.on(alone, "1.1.1", 5, ms, 2*ms)
			r.on(kept, "0.1.1", first, 10*ms, 20*ms)
			c.change(r)
			r.expect(t, check.Keep, c.want)
		})
	}
}

func (t *trial) revoke(fence uint64) {
	t.add(history.Event{At: 22 * ms, Client: "1.1.1", Name: "n", Kind: history.Revoking, Fence: fence})
}

// TestLooks has a reader with fence 25 between the writers with fences 20 and 30.
func TestLooks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want          string
		first, second int64
		change        func(*trial)
	}{
		"two writers before it":        {"", 2, 2, nil},
		"a writer in between":          {"saw 2 and then 3", 2, 3, nil},
		"a writer that came too early": {"saw 3; 2 increments have smaller fences", 3, 3, nil},
		"a writer that came too late":  {"saw 1;", 1, 1, nil},
		"a failover lost increments":   {"", 3, 3, func(r *trial) { promote(r, 2500*ms, history.Sync) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			r.add(history.Event{At: 1650 * ms, Client: "0.1.1", Op: 7, Kind: history.Looked, Name: "n", Fence: 25, First: c.first, Second: c.second})
			if c.change != nil {
				c.change(r)
			}
			r.expect(t, check.Counter, c.want)
		})
	}
	r := &trial{remains: check.Remains{Ledger: []database.Entry{{ID: "x", Name: "n", Value: 1, Fence: 9}}}}
	r.add(history.Event{At: ms, Client: "0.1.1", Kind: history.Looked, Name: "other", Fence: 10})
	r.expect(t, check.Counter, "nobody began it")
}

func TestRefusal(t *testing.T) {
	t.Parallel()
	r := good()
	r.add(history.Event{At: 5 * ms, Client: "0.1.1", Op: 9, Name: "n", Kind: history.Refused, Detail: "held by another"})
	r.expect(t, check.Refusal, "")
	r.add(history.Event{At: 5 * ms, Client: "0.1.1", Op: 10, Name: "n", Kind: history.Refused, Detail: history.OtherMode})
	r.expect(t, check.Refusal, "client 0.1.1")
}

// TestWaitForPermits: a client waits for 6 TTLs for one of two permits; the limit is 5.
func TestWaitForPermits(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want   string
		change func(*trial)
	}{
		"none is held":               {"waited", func(*trial) {}},
		"one is held":                {"waited", func(r *trial) { r.hold("1.1.1", 11, 200*ms) }},
		"both are held":              {"", func(r *trial) { r.hold("1.1.1", 11, 200*ms); r.hold("2.1.1", 12, 210*ms) }},
		"another is granted one":     {"", func(r *trial) { r.on(permit, "1.1.1", 11, 3*ttl, 3*ttl+5*ms) }},
		"it is acquired with others": {"", func(r *trial) { r.parts() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &trial{}
			r.lease("0.1.1", "a", 10*ms, 8*ttl)
			r.wait(wait{client: "0.1.1", op: 2, fence: 20, called: 90 * ms, queued: 100 * ms, ended: 6 * ttl, lease: "a"})
			for i := range r.events {
				if e := &r.events[i]; e.Name == "n" && (e.Kind == history.Called || e.Kind == history.Granted) {
					e.Terms = permit
				}
			}
			c.change(r)
			r.expect(t, check.Wait, c.want)
		})
	}
}

// hold adds a permit that is held from that instant for three TTLs.
func (t *trial) hold(client string, fence uint64, from time.Duration) {
	t.on(permit, client, fence, from, 3*ttl)
	t.find(history.Granted, fence).Until = 4 * ttl
}

func (t *trial) parts() {
	for i := range t.events {
		t.events[i].Parts = 2
	}
}

// TestPlaceOfOneWhoGaveUp: an acquisition that is called later than another client is
// queued may have the place of one of its own client's that gave up.
func TestPlaceOfOneWhoGaveUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want            string
		terms           history.Terms
		called, refused time.Duration
	}{
		"in line behind it":             {"", alone, 80 * ms, 200 * ms},
		"called when it had given up":   {"fence 15", alone, 80 * ms, 149 * ms},
		"called later than the other":   {"fence 15", alone, 120 * ms, 200 * ms},
		"it was to be held another way": {"fence 15", reader, 80 * ms, 200 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := queue()
			r.second(wait{client: "1.1.1", op: 2, fence: 15, called: 150 * ms, ended: 300 * ms, lease: "b"})
			e := history.Event{Client: "1.1.1", Op: 1, Name: "n", Kind: history.Called, At: c.called, Terms: c.terms}
			r.add(e)
			e.Kind, e.At = history.Refused, c.refused
			r.add(e)
			r.expect(t, check.Order, c.want)
		})
	}
}

// TestOvertakenInVain: of those who can hold beside one who gave up, one may have been granted
// the lock after it.
func TestOvertakenInVain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		want         string
		first, later history.Terms
	}{
		"a writer by a writer": {"in vain", alone, alone},
		"a writer by a reader": {"in vain", alone, reader},
		"a reader by a writer": {"in vain", reader, alone},
		"a reader by a reader": {"", reader, reader},
		"a permit by a permit": {"", permit, permit},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &trial{}
			r.lease("0.1.1", "a", 10*ms, 900*ms)
			r.wait(wait{client: "0.1.1", op: 2, called: 90 * ms, queued: 100 * ms, ended: 400 * ms})
			for i := range r.events {
				if e := &r.events[i]; e.Name == "n" && e.Kind == history.Called {
					e.Terms = c.first
				}
			}
			r.on(c.later, "1.1.1", 20, 151*ms, 160*ms)
			r.expect(t, check.Order, c.want)
		})
	}
}
