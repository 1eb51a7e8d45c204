package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// A row that is damaged, and a name that the server cannot store, fail their own call;
// every other one of the batch is made.
func TestOneThatFailsFailsNobodyElse(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		damage string // what is done to the row, which is held
		bad    func(c *client) *call
	}{
		{"TryDamaged", `granted_at = NULL`, func(c *client) *call { return c.trying("bad") }},
		{"QueueDamaged", `granted_at = NULL`, func(c *client) *call { return c.queueing("bad") }},
		{"QueueFenceLost", `fence = 0`, func(c *client) *call { return c.queueing("bad") }},
		{"FreeDamaged", `holder_ticket = NULL`, func(c *client) *call { return c.queueing("bad") }},
		{"CrowdDamaged", `crowd = '{"limit": -1}'`, func(c *client) *call { return c.queueing("bad") }},
		{"CrowdOfAnotherShape", `crowd = '[7]'`, func(c *client) *call { return c.queueing("bad") }},
		{"NUL", `fence = fence`, func(c *client) *call { return c.trying("b\x00d") }},
		{"NotUTF8", `fence = fence`, func(c *client) *call { return c.trying("b\xffd") }},
		{"ReleaseNUL", `fence = fence`, func(c *client) *call { return c.releasing(c.attempt("b\x00d")) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			pool, schema := testPool(t), testSchema(t)
			store := New(pool, Config{Schema: schema})
			c, other := newClient(t, store), newClient(t, store)
			other.hold("bad")
			held := other.hold("held")
			c.release(c.hold("old").Attempt)
			release := c.releasing(c.hold("mine").Attempt)
			cancel := c.releasing(c.queue("held"))
			execSQL(t, pool, `UPDATE `+schema+`.lock SET `+test.damage+` WHERE name = 'bad'`)

			bad, fresh, old := test.bad(c), c.trying("fresh"), c.queueing("old")
			c.batch(fresh, release, bad, old, cancel)
			if bad.err == nil || !driver.IsPermanent(bad.err) {
				t.Errorf("the bad one: %v", bad.err)
			}
			c.wantHeld(fresh, old)
			if release.err != nil || release.outcome != driver.Released {
				t.Errorf("a release beside it: outcome %d, %v", release.outcome, release.err)
			}
			if cancel.err != nil || cancel.outcome != driver.Cancelled {
				t.Errorf("a cancellation beside it: outcome %d, %v", cancel.outcome, cancel.err)
			}
			if row := c.row("held"); !row.HeldBy(held.Place()) || len(row.Queue) > 0 {
				t.Errorf("row %+v", row)
			}
			another := c.trying("another")
			c.batch(another, c.trying("yet another"))
			c.wantHeld(another)
		})
	}
}

// A lease that has ended is told to every call of the batch that needs it, also to one
// whose attempt is still in the row.
func TestABatchOfALeaseThatHasEnded(t *testing.T) {
	t.Parallel()
	store := New(testPool(t), Config{Schema: testSchema(t)})
	c, other := newClient(t, store), newClient(t, store)
	mine := c.hold("mine")
	c.release(c.hold("old").Attempt)
	other.hold("held")
	if gone, err := c.EndLease(t.Context(), c.lease.ID, driver.Grounds{Own: true}); !gone || err != nil {
		t.Fatal(gone, err)
	}
	release := c.releasing(mine.Attempt)
	calls := []*call{c.trying("fresh"), c.queueing("old"), c.queueing("held"), acquisition(c.hold2("again", other), true)}
	c.batch(append(calls, release)...)
	for _, r := range calls {
		if !errors.Is(r.err, driver.ErrLeaseGone) {
			t.Errorf("Acquire of %q: %+v, %v", r.Name, r.reply.Lock, r.err)
		}
	}
	if release.outcome != driver.Released || release.err != nil {
		t.Errorf("Release: outcome %d, %v", release.outcome, release.err)
	}
	view, err := other.Read(t.Context(), driver.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range view.Locks {
		if row.Name != "again" && row.Names(c.lease.ID) {
			t.Errorf("row %+v", row)
		}
	}
}

// hold2 leaves an attempt of c's in a row that another client has made, though c's lease
// is gone: what a take-over finds.
func (c *client) hold2(name string, other *client) driver.Attempt {
	c.t.Helper()
	other.hold(name)
	a := c.attempt(name)
	execSQL(c.t, testPool(c.t), c.cfg.render(`UPDATE leasehold.lock SET holder_lease = $1, holder_ticket = $2 WHERE name = $3`),
		a.Lease.String(), a.Ticket.String(), name)
	return a
}

// While nothing is granted every call of a batch is told so, and what grants nothing is
// made; when granting begins again, batches grant.
func TestABatchWhileNothingIsGranted(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	c, other := newClient(t, store), newClient(t, store)
	alone, wanted := c.hold("alone"), c.hold("wanted")
	next := other.queue("wanted")
	c.release(c.hold("old").Attempt)
	failOver(t, pool, schema)
	fresh, old := c.trying("fresh"), c.queueing("old")
	free, pass := c.releasing(alone.Attempt), c.releasing(wanted.Attempt)
	c.batch(fresh, old, free, pass)
	for _, r := range []*call{fresh, old} {
		if !paused(r.err) {
			t.Errorf("Acquire of %q: %+v, %v", r.Name, r.reply.Lock, r.err)
		}
	}
	if free.outcome != driver.Released || pass.outcome != driver.Busy || free.err != nil || pass.err != nil {
		t.Errorf("releases: outcomes %d and %d, %v, %v", free.outcome, pass.outcome, free.err, pass.err)
	}
	resume(t, pool, schema)
	c.batch(fresh, old, pass)
	c.wantHeld(fresh, old)
	if row := other.row("wanted"); pass.outcome != driver.Released || !row.HeldBy(next.Place()) {
		t.Errorf("outcome %d, row %+v", pass.outcome, row)
	}
}

// What an earlier batch said of a call that it left out is forgotten.
func TestACallMadeAgainForgetsItsError(t *testing.T) {
	t.Parallel()
	c := newClient(t, New(testPool(t), Config{Schema: testSchema(t)}))
	first, second := c.queueing("a"), c.queueing("b")
	first.err, first.tries = errLocked, 1
	c.batch(first, second)
	c.wantHeld(first, second)
}

// One caller gives up while the batch is on its way: it returns at once, the others get
// what they asked for, and a release of its attempt ends whatever became of it.
func TestGivingUpLeavesTheBatchAlone(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	var calls []*call
	for i := range 10 {
		calls = append(calls, c.queueing(fmt.Sprint("name ", i)))
	}
	c.batch(c.trying("warm"), c.trying("up"))
	p.shut()
	list := c.meanwhile(calls...)
	p.unshut()
	p.shut() // wherever the batch is now, in the queue or on its way
	gone := list[3]
	gone.cancel()
	<-gone.done
	if !errors.Is(gone.err, context.Canceled) {
		t.Errorf("the one that gave up: %v", gone.err)
	}
	p.unshut()
	list = append(list[:3:3], list[4:]...)
	finish(t, list...)
	for _, a := range list {
		c.wantHeld(a.call)
	}
	if got := c.release(gone.Attempt); got != driver.Released && got != driver.Absent {
		t.Errorf("outcome %d", got)
	}
	if row := c.row("name 0"); !row.HeldBy(list[0].Place()) {
		t.Errorf("row %+v", row)
	}
	view, err := c.Read(t.Context(), driver.Query{Names: []string{gone.Name}})
	if err != nil || len(view.Locks) > 0 && view.Locks[0].Held() {
		t.Errorf("a ghost: %+v, %v", view.Locks, err)
	}
}

// The connection breaks under a batch: every call of it ends with an error that passes,
// and a release of each ends it, granted or not.
func TestABatchWhoseReplyIsLost(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	c.batch(c.trying("warm"), c.trying("up"))
	var calls []*call
	for i := range 10 {
		calls = append(calls, c.queueing(fmt.Sprint("name ", i)))
	}
	_, down := p.fresh()
	down.shut()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if again := c.run(ctx, calls); len(again) > 0 {
		t.Errorf("%d calls to be made again", len(again))
	}
	for _, r := range calls {
		if r.err == nil || driver.IsPermanent(r.err) {
			t.Errorf("%q: %v", r.Name, r.err)
		}
		if strings.Contains(fmt.Sprint(r.err), "INSERT") {
			t.Errorf("%q: SQL in %v", r.Name, r.err)
		}
	}
	releases := make([]*call, len(calls))
	for i, r := range calls {
		releases[i] = c.releasing(r.Attempt)
	}
	c.batch(releases...)
	for _, r := range releases {
		if r.err != nil || r.outcome == driver.Busy {
			t.Errorf("%q: outcome %d, %v", r.Name, r.outcome, r.err)
		}
	}
	if n := value[int](t, testPool(t), c.cfg.render(`SELECT count(*)::int FROM leasehold.lock WHERE holder_ticket IS NOT NULL AND name LIKE 'name%'`)); n > 0 {
		t.Errorf("%d ghosts", n)
	}
}
