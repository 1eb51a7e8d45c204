package check_test

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

func promote(r *trial, at time.Duration, detail string) {
	r.add(history.Event{At: at, Kind: history.Promoted, Detail: detail})
}

// TestPromotions has increments a, b, c and d, acknowledged at 102, 202, 1702 and
// 1902 ms, of which a failover loses some.
func TestPromotions(t *testing.T) {
	t.Parallel()
	// loseLast loses d, and loseMiddle c.
	loseLast := func(r *trial) { r.remains.Ledger, r.remains.Counters["n"] = r.remains.Ledger[:3], 3 }
	loseMiddle := func(r *trial) {
		r.remains.Ledger = append(r.remains.Ledger[:2:2], r.remains.Ledger[3])
		r.remains.Ledger[2].Value, r.remains.Counters["n"] = 3, 3
	}
	for name, c := range map[string]struct {
		want   string
		change func(*trial)
	}{
		"no failover":                                             {"is not stored", loseLast},
		"lost before an asynchronous":                             {"", func(r *trial) { loseLast(r); promote(r, 2500*ms, history.Async) }},
		"while the primary died":                                  {"", func(r *trial) { loseLast(r); promote(r, 1900*ms, history.Async) }},
		"lost before a synchronous":                               {"is not stored", func(r *trial) { loseLast(r); promote(r, 2500*ms, history.Sync) }},
		"one before, and not the last":                            {"was lost in a failover", func(r *trial) { loseMiddle(r); promote(r, 2500*ms, history.Async) }},
		"one before, and the last one was while the primary died": {"", func(r *trial) { loseMiddle(r); promote(r, 1901*ms, history.Async) }},
		"lost after it": {"is not stored", func(r *trial) {
			loseLast(r)
			for i := range r.events {
				r.events[i].At += time.Minute
				r.events[i].Until += time.Minute
			}
			promote(r, 10*ms, history.Async)
		}},
		"counter and ledger disagree": {"after 3 increments", func(r *trial) { loseLast(r); r.remains.Counters["n"] = 4; promote(r, 2500*ms, history.Async) }},
		"an old value is left":        {"the first value is 2", func(r *trial) { r.remains.Ledger = r.remains.Ledger[1:]; promote(r, 2500*ms, history.Async) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := good()
			c.change(r)
			r.expect(t, check.Counter, c.want)
		})
	}
}

// TestPromotionExcusesNothingElse: beliefs and fences are judged as ever.
func TestPromotionExcusesNothingElse(t *testing.T) {
	t.Parallel()
	r := good()
	promote(r, 1000*ms, history.Async)
	r.find(history.Granted, 20).Until = 1750 * ms
	r.find(history.Granted, 40).Fence = 25
	for kind, want := range map[check.Kind]string{check.Overlap: "fence 20", check.Linear: "fence", check.Fence: "falls"} {
		r.expect(t, kind, want)
	}
}

// TestLostDeletions: a failover may bring back the lease of a client that was closed,
// and the hold that a guard then finds.
func TestLostDeletions(t *testing.T) {
	t.Parallel()
	r := good()
	r.remains.Owners = []string{"0.1.1"}
	r.expect(t, check.Ghost, "a lease of 0.1.1")
	promote(r, 4100*ms, history.Async)
	r.expect(t, check.Ghost, "")

	r = good()
	r.find(history.LetGo, 10).At, r.find(history.Released, 10).At = 100*ms+ms/4, 100*ms+ms/2
	r.expect(t, check.Counter, "was released")
	promote(r, 101*ms+ms/2, history.Async)
	r.expect(t, check.Counter, "")
}
