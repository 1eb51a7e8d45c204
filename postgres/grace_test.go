package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// tolerant makes a client whose Conn has this tolerance for the server's clock.
func tolerant(t *testing.T, store *Store, tolerance time.Duration) *client {
	t.Helper()
	dc, err := store.Connect(t.Context(), driver.Settings{TTL: 300 * time.Millisecond, Tolerance: tolerance})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = dc.Close() })
	return asClient(t, dc.(*conn))
}

// graced makes a store whose longest TTL is d, failed over at this moment.
func graced(t *testing.T, d time.Duration) (*Store, *pgxpool.Pool, string) {
	t.Helper()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.SetMaxTTL(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := connect(t, store, minTTL); err != nil { // the first incarnation is recorded
		t.Fatal(err)
	}
	return store, pool, schema
}

// A client that has watched the pause for the longest TTL and its margin ends it, for
// everybody, whatever the server's clock says.
func TestGraceIsEndedByWhoWatchedIt(t *testing.T) {
	t.Parallel()
	const longest = 400 * time.Millisecond
	store, pool, schema := graced(t, longest)
	watcher, other := tolerant(t, store, -1), tolerant(t, store, -1)
	failOver(t, pool, schema)
	execSQL(t, pool, `UPDATE `+schema+`.epoch SET seen_at = now() - interval '1 day'`)
	start := time.Now()
	attempt := watcher.attempt("a")
	await(t, "granting begins again", func() bool {
		reply, err := watcher.Acquire(t.Context(), attempt, true)
		if err != nil && !paused(err) {
			t.Fatal(err)
		}
		return err == nil && reply.Lock.HeldBy(attempt.Place())
	})
	if took := time.Since(start); took < longest+clock.Margin(longest) {
		t.Errorf("granted after %v", took)
	}
	other.hold("b")
}

// By the server's clock a client that comes later ends it at once, when it is overdue by
// more than the tolerance; in the mode in which no clock decides it does not.
func TestGraceIsEndedByTheServersClock(t *testing.T) {
	t.Parallel()
	store, pool, schema := graced(t, 10*time.Second)
	failOver(t, pool, schema)
	first, never := tolerant(t, store, 0), tolerant(t, store, -1)
	if _, err := first.Acquire(t.Context(), first.attempt("a"), true); !paused(err) {
		t.Fatalf("Acquire: %v", err)
	}
	age := func(d string) {
		execSQL(t, pool, `UPDATE `+schema+`.epoch SET seen_at = clock_timestamp() - interval '`+d+`'`)
	}
	age("19 seconds")
	if _, err := first.Acquire(t.Context(), first.attempt("a"), true); !paused(err) {
		t.Errorf("within the tolerance: %v", err)
	}
	age("21 seconds")
	if _, err := never.Acquire(t.Context(), never.attempt("a"), true); !paused(err) {
		t.Errorf("where no clock decides: %v", err)
	}
	first.hold("a")
}

// The pause counts anew for another incarnation, also for who had watched the last.
func TestGraceCountsAnew(t *testing.T) {
	t.Parallel()
	const longest = 300 * time.Millisecond
	store, pool, schema := graced(t, longest)
	c := tolerant(t, store, -1)
	failOver(t, pool, schema)
	attempt := c.attempt("a")
	try := func() bool {
		reply, err := c.Acquire(t.Context(), attempt, true)
		return err == nil && reply.Lock.HeldBy(attempt.Place())
	}
	try()
	time.Sleep(longest + clock.Margin(longest))
	failOver(t, pool, schema)
	if start := time.Now(); try() {
		t.Errorf("granted %v after another failover", time.Since(start))
	}
	await(t, "granting begins again", try)
}

// Grace can be turned off, for clusters whose standbys lack nothing, and on again; a new
// epoch that an operator begins has it always.
func TestGraceTurnedOff(t *testing.T) {
	t.Parallel()
	store, pool, schema := graced(t, time.Minute)
	c := newClient(t, store)
	if err := store.SetGrace(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	before, _ := c.RenewLease(t.Context(), c.lease.ID)
	failOver(t, pool, schema)
	c.hold("a")
	if after, err := c.RenewLease(t.Context(), c.lease.ID); err != nil || after.Epoch <= before.Epoch {
		t.Errorf("renewal %+v after %+v, %v", after, before, err)
	}
	if err := store.NewEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Acquire(t.Context(), c.attempt("b"), true); !paused(err) {
		t.Errorf("Acquire after NewEpoch: %v", err)
	}
	resume(t, pool, schema)
	if err := store.SetGrace(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	failOver(t, pool, schema)
	if _, err := c.Acquire(t.Context(), c.attempt("c"), true); !paused(err) {
		t.Errorf("Acquire: %v", err)
	}
}

// The cap binds clients that are open, too, and is not set below what is in use.
func TestMaxTTL(t *testing.T) {
	t.Parallel()
	store, _, _ := graced(t, time.Minute)
	c := newClient(t, store)
	wantPermanent(t, store.SetMaxTTL(t.Context(), testTTL/2), "in use")
	wantPermanent(t, store.SetMaxTTL(t.Context(), time.Millisecond), "100ms")
	if gone, err := c.EndLease(t.Context(), c.lease.ID, driver.Grounds{Own: true}); !gone || err != nil {
		t.Fatal(gone, err)
	}
	if err := store.SetMaxTTL(t.Context(), testTTL/2); err != nil {
		t.Fatal(err)
	}
	lease := c.lease
	lease.ID = driver.NewID()
	_, err := c.CreateLease(t.Context(), lease)
	wantPermanent(t, err, (testTTL / 2).String())
	wantPermanent(t, connect(t, store, testTTL), (testTTL / 2).String())
	openClient(t, store, leasehold.Config{}).Close()
	if err := store.SetMaxTTL(t.Context(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreateLease(t.Context(), lease); err != nil {
		t.Error(err)
	}
}

// A lease that is being made at the same moment is reckoned with: the change of the cap
// waits for it.
func TestMaxTTLWaitsForALeaseInTheMaking(t *testing.T) {
	t.Parallel()
	store, pool, schema := graced(t, time.Minute)
	c := tolerant(t, store, 0)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), c.told.createLease, driver.NewID().String(), int64(10_000), "o", "h", 1, "a", nil, false); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- store.SetMaxTTL(t.Context(), time.Second) }()
	await(t, "the change waits", func() bool { return waiting(t, pool, schema) == 1 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPermanent(t, <-done, "in use")
}
