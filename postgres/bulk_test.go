package postgres

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// Five hundred goroutines take and release names of their own: what is sent is far less
// than one statement for each call, each grant raises its name's fence, and nothing is
// left behind.
func TestGoroutinesShareStatements(t *testing.T) {
	t.Parallel()
	const goroutines, rounds = 500, 4
	pool, writes := countingPool(t)
	admin, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	before := writes.Load()
	var wg sync.WaitGroup
	for i := range goroutines {
		name := fmt.Sprint("name ", i)
		wg.Go(func() {
			last := uint64(0)
			for range rounds {
				a := c.attempt(name)
				reply, err := c.Acquire(t.Context(), a, true)
				if err != nil || !reply.Lock.HeldBy(a.Place()) || reply.Lock.Fence <= last {
					t.Errorf("%s: %+v, %v; the fence before was %d", name, reply.Lock, err, last)
				}
				last = reply.Lock.Fence
				c.release(a)
			}
		})
	}
	wg.Wait()
	const calls = 2 * goroutines * rounds
	sent := writes.Load() - before
	t.Logf("%d calls, %d writes", calls, sent)
	if sent > calls/20 {
		t.Errorf("%d calls took %d writes", calls, sent)
	}
	if n := value[int](t, admin, `SELECT count(*)::int FROM `+schema+`.lock WHERE holder_ticket IS NOT NULL OR cardinality(queue_tickets) > 0`); n > 0 {
		t.Errorf("%d names are still held or waited for", n)
	}
	if n := value[int](t, admin, `SELECT count(*)::int FROM `+schema+`.lock`); n != goroutines {
		t.Errorf("%d rows", n)
	}
}

// hints collects what a Listen tells.
type hints struct {
	mu   sync.Mutex // guards list
	list []driver.Hint
}

// listening begins to listen for c's lease, and returns when it does.
func (c *client) listening(t *testing.T) *hints {
	t.Helper()
	h := new(hints)
	ctx, cancel := context.WithCancel(t.Context())
	begun, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Listen(ctx, c.lease.ID, func(hint driver.Hint) {
			if hint == (driver.Hint{}) {
				close(begun)
				return
			}
			h.mu.Lock()
			defer h.mu.Unlock()
			h.list = append(h.list, hint)
		})
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-begun
	return h
}

func (h *hints) all() []driver.Hint {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]driver.Hint(nil), h.list...)
}

// Names that are held are tried in bulk, and each try names the holder; waited for in
// bulk, and each gets its place; and handed over in bulk, each with a notification that
// carries the grant, so that nobody looks.
func TestHandOversInBulkAreNotified(t *testing.T) {
	t.Parallel()
	const names = 200
	store := New(testPool(t), Config{Schema: testSchema(t)})
	holder, waiter := newClient(t, store), newClient(t, store)
	told := waiter.listening(t)
	var take, try, wait, give []*call
	for i := range names {
		take = append(take, holder.trying(fmt.Sprint("name ", i)))
	}
	holder.batch(take...)
	holder.wantHeld(take...)
	for _, r := range take {
		try, wait = append(try, waiter.trying(r.Name)), append(wait, waiter.queueing(r.Name))
		give = append(give, holder.releasing(r.Attempt))
	}
	waiter.batch(try...)
	waiter.batch(wait...)
	for i, r := range take {
		if l := try[i].reply.Lock; try[i].err != nil || !l.HeldBy(r.Place()) || l.Fence != r.reply.Lock.Fence {
			t.Errorf("a try of %q: %+v, %v", r.Name, l, try[i].err)
		}
		if l := wait[i].reply.Lock; wait[i].err != nil || !l.HeldBy(r.Place()) || l.Ahead(wait[i].Place()) != 0 {
			t.Errorf("waiting for %q: %+v, %v", r.Name, l, wait[i].err)
		}
	}
	holder.batch(give...)
	await(t, "all hand-overs are told", func() bool { return len(told.all()) >= names })
	fences := map[driver.ID]uint64{}
	for _, h := range told.all() {
		fences[h.Ticket] = h.Fence
	}
	for i, r := range wait {
		row := holder.row(r.Name)
		if !row.HeldBy(r.Place()) || row.Fence != fences[r.Ticket] || row.Fence <= take[i].reply.Lock.Fence {
			t.Errorf("row %+v; told fence %d, before %d", row, fences[r.Ticket], take[i].reply.Lock.Fence)
		}
		if give[i].outcome != driver.Released || give[i].err != nil {
			t.Errorf("Release of %q: %d, %v", r.Name, give[i].outcome, give[i].err)
		}
	}
	if n := len(told.all()); n != names {
		t.Errorf("%d notifications for %d hand-overs", n, names)
	}
}

// Of two hand-overs at a time the second is told by a statement of its own, after its
// commit: at once, and not at the waiter's next look.
func TestTheSecondOfTwoHandOversIsNotified(t *testing.T) {
	t.Parallel()
	pool := testPool(t)
	store := New(pool, Config{Schema: testSchema(t)})
	holder, waiter := newClient(t, store), newClient(t, store)
	told := waiter.listening(t)
	hold := holder.hold("a")
	next := waiter.queue("a")
	first, err := pool.Begin(t.Context()) // another release, that hands over and is about to commit
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Rollback(context.Background()) }()
	if _, err := first.Exec(t.Context(), `SELECT pg_advisory_xact_lock(1818583410, 0)`); err != nil {
		t.Fatal(err)
	}
	if got, err := holder.Release(t.Context(), hold.Attempt); got != driver.Released || err != nil {
		t.Fatalf("outcome %d, %v", got, err)
	}
	await(t, "the waiter is told", func() bool { return len(told.all()) > 0 })
	row := waiter.row("a")
	if h := told.all()[0]; h.Name != "a" || h.Ticket != next.Ticket || h.Fence != row.Fence || !row.HeldBy(next.Place()) {
		t.Errorf("told %+v, the row is %+v", h, row)
	}
	if n := len(told.all()); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Who is granted at once is not notified: only those who waited are.
func TestAGrantAtOnceNotifiesNobody(t *testing.T) {
	t.Parallel()
	store := New(testPool(t), Config{Schema: testSchema(t)})
	c, other := newClient(t, store), newClient(t, store)
	mine, theirs := c.listening(t), other.listening(t)
	for i, terms := range []driver.Terms{{}, {Mode: driver.Shared}, {Mode: driver.Permit, Limit: 2}} {
		r := c.trying(fmt.Sprint("name ", i))
		r.Terms = terms
		c.batch(r)
		c.wantHeld(r)
	}
	// A notification that does come comes after all those before it.
	hold := c.hold("last")
	next := other.queue("last")
	c.release(hold.Attempt)
	again := c.queue("last")
	other.release(next)
	await(t, "both are told of the hand-overs", func() bool {
		return len(mine.all()) > 0 && len(theirs.all()) > 0 && mine.all()[len(mine.all())-1].Ticket == again.Ticket
	})
	if n, m := len(mine.all()), len(theirs.all()); n != 1 || m != 1 {
		t.Errorf("told %d and %d times, of one hand-over each: %+v", n, m, mine.all())
	}
}
