package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// A client needs three connections, whatever it holds and awaits.
func TestHazard31_ThreeConnections(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	store := storeIn(t, database)
	holder := asClient(t, open(t, store, time.Minute))
	client, err := leasehold.Open(t.Context(), store, leasehold.Config{TTL: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	const each = 25
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range each {
		if _, err := client.Acquire(ctx, fmt.Sprint("held ", i)); err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprint("awaited ", i)
		holder.hold(name)
		wg.Go(func() { _, _ = client.Acquire(ctx, name) }) // it ends with ctx
	}
	await(t, "all wait", func() bool {
		waiting := 0
		for i := range each {
			row := holder.row(fmt.Sprint("awaited ", i))
			waiting += len(row.Queue)
		}
		return waiting == each
	})
	time.Sleep(time.Second) // renewals and looks have happened
	n := value[int](t, openDB(t, serverURL(t)), "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE DB = '"+database+"'")
	if own := 2; n > 3+own { // those of holder
		t.Errorf("%d connections for %d locks and %d waiters", n-own, each, each)
	}
	cancel()
	wg.Wait()
}

// A pool of the caller's that is used up starves no renewal.
func TestHazard32_KeepaliveBesideTheUsersPool(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	db := openDB(t, serverURL(t))
	db.SetMaxOpenConns(minPool)
	client, err := leasehold.Open(t.Context(), New(db, Config{Database: database}), leasehold.Config{TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	mine, err := db.Conn(t.Context()) // the only one that is left
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Close()
	lock, err := client.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(3 * time.Second) // three times as long as the trust of one renewal
	if !lock.Held() {
		t.Errorf("lost: %v", context.Cause(lock.Context()))
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	if most := db.Stats().MaxOpenConnections; most != minPool {
		t.Errorf("the pool was changed to %d connections", most)
	}
}

func TestHazard24_FenceRisesOverALostRow(t *testing.T) {
	t.Parallel()
	c := newClient(t, testStore(t))
	db := openDB(t, serverURL(t))
	last := uint64(0)
	for range 5 {
		held := c.hold("a")
		if held.Fence <= last {
			t.Fatalf("fence %d after %d", held.Fence, last)
		}
		last = held.Fence
		execSQL(t, db, "DELETE FROM "+c.t.lock)
		execSQL(t, db, "DELETE FROM "+c.t.guard)
	}
}

// Clients make and change the same rows in batches, in every order, and nobody is told of
// a deadlock.
func TestBatchesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	var wg sync.WaitGroup
	for range 4 {
		c := newClient(t, store)
		for range 8 {
			wg.Go(func() {
				for round := range 10 {
					for _, i := range rand.Perm(10) {
						a := c.attempt(fmt.Sprint("round ", round, " name ", i))
						if _, err := c.Acquire(t.Context(), a, i%2 == 0); err != nil && !errors.Is(err, errLocked) {
							t.Errorf("Acquire: %v", err)
						}
						c.release(a)
					}
				}
			})
		}
	}
	wg.Wait()
	view, err := newClient(t, store).Read(t.Context(), driver.Query{Limit: 1000})
	if err != nil || len(view.Locks) != 100 {
		t.Fatalf("%d rows, %v", len(view.Locks), err)
	}
	for _, l := range view.Locks {
		if l.Held() || len(l.Queue) > 0 {
			t.Errorf("a ghost: %+v", l)
		}
	}
}

// A row that somebody keeps locked holds up its own calls for a while, and no others.
func TestALockedRowStallsNobodyElse(t *testing.T) {
	t.Parallel()
	c := newClient(t, testStore(t))
	held := c.hold("locked")
	tx := begin(t, openDB(t, serverURL(t)), sql.LevelReadCommitted)
	if _, err := tx.Exec("SELECT 1 FROM " + c.t.lock + " WHERE name = 'locked' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if got, err := c.Release(t.Context(), held.Attempt); err == nil && got != driver.Busy {
			t.Errorf("Release of a locked row: %v", got)
		}
	})
	wg.Go(func() {
		if _, err := c.Acquire(t.Context(), c.attempt("locked"), true); err == nil {
			t.Error("Acquire of a locked row succeeded")
		}
	})
	for i := range 50 {
		wg.Go(func() { c.release(c.hold(fmt.Sprint("free ", i)).Attempt) })
	}
	start := time.Now()
	wg.Wait()
	if took := time.Since(start); took > testTTL/2 {
		t.Errorf("took %v", took)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := c.release(held.Attempt); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
}

// countedConn counts what the client sends: one write is one round trip.
type countedConn struct {
	net.Conn
	writes *atomic.Int64
}

func (c countedConn) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// Each call is this many round trips, once the connection is warm.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	other := newClient(t, store)
	writes := new(atomic.Int64)
	store.settings.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		return countedConn{conn, writes}, err
	}
	c := newClient(t, store)
	c.RenewLease(t.Context(), c.lease.ID)
	for range 2 {
		c.release(c.hold("a").Attempt)
	}
	other.hold("b")
	var a driver.Attempt
	for _, step := range []struct {
		what string
		want int64
		call func() error
	}{
		{"acquire", 1, func() error { a = c.attempt("a"); _, err := c.Acquire(t.Context(), a, true); return err }},
		{"release", 1, func() error { _, err := c.Release(t.Context(), a); return err }},
		{"renew", 1, func() error { _, err := c.RenewLease(t.Context(), c.lease.ID); return err }},
		{"read", 2, func() error { _, err := c.Read(t.Context(), driver.Query{Names: []string{"b"}}); return err }},
		{"queue, not expected", 3, func() error { a = c.attempt("b"); _, err := c.Acquire(t.Context(), a, true); return err }},
		{"cancel", 2, func() error { _, err := c.Release(t.Context(), a); return err }},
		{"queue", 2, func() error { a = c.attempt("b"); _, err := c.Acquire(t.Context(), a, true); return err }},
	} {
		before := writes.Load()
		if err := step.call(); err != nil {
			t.Fatal(err)
		}
		if n := writes.Load() - before; n != step.want {
			t.Errorf("%s: %d round trips, want %d", step.what, n, step.want)
		}
	}
}

// A grant that another client made is believed when it is on the disk: whoever learns of it
// has made a commit of its own since.
func TestAGrantByAnotherIsFlushed(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	c, other := newClient(t, store), newClient(t, store)
	db := openDB(t, serverURL(t))
	flushes := func() int64 { return value[int64](t, db, "SELECT n FROM "+c.t.flush) }
	held := other.hold("a")
	waiter := c.queue("a")
	before := flushes()
	other.release(held.Attempt)
	if flushes() != before {
		t.Error("a release flushes twice")
	}
	for range 2 {
		if row := c.row("a"); !row.HeldBy(waiter.Place()) {
			t.Fatalf("not handed over: %+v", row)
		}
		if n := flushes() - before; n != 1 {
			t.Errorf("%d flushes when the grant was first seen, want 1", n)
		}
	}
	if got := c.release(c.attempt("a")); got != driver.Absent {
		t.Fatalf("outcome %d", got)
	}
	if n := flushes() - before; n != 2 {
		t.Errorf("%d flushes after Absent, want 2", n)
	}
}

// changeServer makes the tables those of another server, as a promoted replica finds them.
func changeServer(t *testing.T, c *client) {
	t.Helper()
	execSQL(t, openDB(t, serverURL(t)), "UPDATE "+c.t.meta+" SET server = 'another', seen_at = 0")
}

func TestNothingIsGrantedAfterAFailover(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.SetMaxTTL(t.Context(), time.Second); err != nil {
		t.Fatal(err)
	}
	connect := func(tolerance time.Duration) *client {
		c, err := store.Connect(t.Context(), driver.Settings{TTL: time.Second, Tolerance: tolerance})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return asClient(t, c.(*conn))
	}
	c := connect(-1) // no clock ends the pause
	held, free := c.hold("held"), c.hold("free")
	c.release(free.Attempt)
	waiter := c.queue("held")
	first, err := c.RenewLease(t.Context(), c.lease.ID)
	if err != nil {
		t.Fatal(err)
	}
	changeServer(t, c)
	begun := clock.Now()
	second, err := c.RenewLease(t.Context(), c.lease.ID)
	if err != nil || second.Epoch <= first.Epoch {
		t.Fatalf("epoch %d after %d, %v", second.Epoch, first.Epoch, err)
	}
	var paused *pausedError
	if _, err := c.Acquire(t.Context(), c.attempt("free"), true); !errors.As(err, &paused) || driver.IsPermanent(err) {
		t.Errorf("Acquire in the pause: %v", err)
	}
	if got, err := c.Release(t.Context(), held.Attempt); err != nil || got != driver.Busy {
		t.Errorf("Release in the pause, of a lock that is awaited: %v, %v; want Busy", got, err)
	}
	c.release(held.Attempt)
	if early := time.Second + clock.Margin(time.Second) - clock.Since(begun); early > 0 {
		t.Errorf("granted %v before the end of the pause", early)
	}
	if row := c.row("held"); !row.HeldBy(waiter.Place()) {
		t.Errorf("not handed over: %+v", row)
	}
	if err := store.NewEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if third, err := c.RenewLease(t.Context(), c.lease.ID); err != nil || third.Epoch <= second.Epoch {
		t.Errorf("epoch %d after %d, %v", third.Epoch, second.Epoch, err)
	}
	overdue := connect(time.Millisecond)
	await(t, "the server's clock ends the pause", func() bool {
		_, err := overdue.Acquire(t.Context(), overdue.attempt("free"), false)
		return err == nil
	})
	if err := store.SetGrace(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	changeServer(t, c)
	await(t, "nothing is waited for", func() bool { // a slow call may say that it was the first to see it
		a := c.attempt("soon")
		reply, err := c.Acquire(t.Context(), a, false)
		return err == nil && reply.Lock.HeldBy(a.Place())
	})
}

func TestMaxTTL(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	newClient(t, store)
	if err := store.SetMaxTTL(t.Context(), testTTL-time.Millisecond); !driver.IsPermanent(err) || !strings.Contains(err.Error(), "in use") {
		t.Errorf("below a TTL in use: %v", err)
	}
	if err := store.SetMaxTTL(t.Context(), 2*time.Minute); err != nil {
		t.Fatal(err)
	}
	c := open(t, store, 2*time.Minute)
	asClient(t, c)
	var above *driver.TTLError
	_, err := c.CreateLease(t.Context(), driver.Lease{ID: driver.NewID(), TTL: 3 * time.Minute})
	if !errors.As(err, &above) || above.Cap != 2*time.Minute {
		t.Errorf("a lease above the cap: %v", err)
	}
	if _, err := c.CreateLease(t.Context(), driver.Lease{ID: driver.NewID(), TTL: time.Hour, Fixed: true}); err != nil {
		t.Errorf("a fixed lease: %v", err)
	}
}
