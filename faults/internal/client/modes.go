package client

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/faults/internal/remains"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// The ways in which names are used; a name begins with its own, and a slash. All others
// are held alone.
const (
	shared   = "shared"   // by readers and writers
	permits  = "permits"  // what follows begins with the limit
	kept     = "kept"     // with a minimum hold
	fixed    = "fixed"    // with a TTL that is fixed
	together = "together" // several at once
)

// Modes are names that are used in other ways than to be held alone.
func Modes() []string {
	return []string{
		"shared/a", "shared/b", "permits/2", "permits/3", "fixed/a", "kept/a",
		"together/a", "together/b", "together/c",
	}
}

// SteadyModes are those that need a clock of the database that is not set back for long,
// which would keep minimum holds for as long.
func SteadyModes() []string { return []string{"kept/a"} }

// StoredModes are those that need a store which keeps more of a lock than its holders.
func StoredModes() []string { return []string{"permits/2", "permits/3", "fixed/a", "kept/a"} }

// SharedModes are those that need a store whose locks can be shared.
func SharedModes() []string { return []string{"shared/a", "shared/b"} }

// way returns how a name is used.
func way(name string) string {
	before, _, _ := strings.Cut(name, "/")
	return before
}

// limit returns how many permits a name has; 0: it has none.
func limit(name string) int {
	_, after, _ := strings.Cut(name, "/")
	if way(name) != permits {
		return 0
	}
	n, _ := strconv.Atoi(after)
	return n
}

// Whole returns, for each name, how it is acquired so that nobody can hold it beside.
func Whole(names []string) map[string]remains.Use {
	uses := map[string]remains.Use{}
	for _, name := range names {
		uses[name] = remains.Use{Times: 1}
		if n := limit(name); n > 0 {
			uses[name] = remains.Use{Times: n, Options: []leasehold.Option{leasehold.Permits(n)}}
		}
	}
	return uses
}

// terms draws what is asked for, of one name.
func (w *worker) terms(name string) (history.Terms, []leasehold.Option) {
	ttl := w.cfg.TTL
	switch way(name) {
	case shared:
		if w.r.IntN(3) > 0 {
			return history.Terms{Mode: history.Shared}, []leasehold.Option{leasehold.Shared()}
		}
	case permits:
		return history.Terms{Mode: history.Permit, Permits: limit(name)}, []leasehold.Option{leasehold.Permits(limit(name))}
	case kept:
		d := between(w.r, ttl/100, ttl/10)
		if w.r.IntN(10) == 0 {
			d = ttl / 3
		}
		d = max(d.Truncate(time.Millisecond), time.Millisecond)
		return history.Terms{MinHold: d}, []leasehold.Option{leasehold.MinHold(d)}
	case fixed:
		d := max(ttl/2, leasehold.MinTTL).Truncate(time.Millisecond)
		return history.Terms{TTL: d}, []leasehold.Option{leasehold.FixedTTL(d)}
	}
	return history.Terms{}, nil
}

// several draws two or three of the names that are acquired together, in any order.
func (w *worker) several() (names []string) {
	for _, name := range w.names {
		if way(name) == together {
			names = append(names, name)
		}
	}
	w.r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	return names[:2+w.r.IntN(len(names)-1)]
}

// acquireAll acquires several names, waiting for a random time.
func (w *worker) acquireAll(ctx context.Context) (all []*hold) {
	names := w.several()
	ctx, cancel := context.WithTimeout(ctx, between(w.r, time.Millisecond, 2*w.cfg.TTL))
	defer cancel()
	terms := history.Terms{Parts: len(names)}
	ops := map[string]uint64{}
	for _, name := range names {
		op := w.ops.Add(1)
		ops[name] = op
		w.record(history.Event{Kind: history.Called, Op: op, Name: name, Until: deadline(ctx), Terms: terms})
		defer w.waits.begin(name, op)()
	}
	locks, err := w.client.AcquireAll(ctx, names)
	for _, name := range names {
		if err != nil {
			w.record(history.Event{Kind: history.Refused, Op: ops[name], Name: name, Detail: describe(err)})
		}
	}
	for _, lock := range locks {
		all = append(all, w.hold(ops[lock.Name()], lock, terms))
	}
	return all
}

// touch does what the lock protects: a writer writes, and a reader reads. What has
// permits protects nothing that is in the database.
func (h *hold) touch(ctx context.Context) {
	switch h.terms.Mode {
	case history.Exclusive:
		h.increment(ctx)
	case history.Shared:
		h.look(ctx)
	}
}

// look reads the counter twice in one guarded transaction.
func (h *hold) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*h.cfg.TTL)
	defer cancel()
	first, second, err := h.database.Look(ctx, h.lock, func() { h.think(ctx) })
	if err == nil {
		h.record(history.Event{
			Kind: history.Looked, Op: h.op, Name: h.lock.Name(), Fence: h.lock.Fence(), First: first, Second: second,
		})
	}
}

// spend passes the time for which the lock is held. One whose TTL is fixed may be
// extended meanwhile.
func (h *hold) spend(ctx context.Context, d time.Duration) {
	if h.terms.TTL == 0 || h.r.IntN(2) == 0 {
		backoff.Sleep(ctx, d)
		return
	}
	step := between(h.r, h.terms.TTL/8, h.terms.TTL)
	for ; d > 0 && ctx.Err() == nil; d -= step {
		backoff.Sleep(ctx, min(d, step))
		_ = h.lock.Extend(ctx) // if it fails the lock is lost soon, which is recorded
	}
}

// pick returns one of the names, all ways being as likely as their weights say.
func pick(r *rand.Rand, names []string) string {
	weights := map[string]int{shared: 6, permits: 6, fixed: 2, kept: 1, together: 1}
	total := 0
	for _, name := range names {
		total += max(weights[way(name)], 1)
	}
	at := r.IntN(total)
	for _, name := range names {
		if at -= max(weights[way(name)], 1); at < 0 {
			return name
		}
	}
	return names[0] // not reached
}
