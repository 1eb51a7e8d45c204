package mysql

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// within calls fn with a context of 300 ms and fails if fn takes much longer.
func within(t *testing.T, what string, fn func(context.Context) error) error {
	t.Helper()
	const limit = 300 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	start := time.Now()
	err := fn(ctx)
	if took := time.Since(start); took > 5*limit {
		t.Errorf("%s returned %v after its context began, of %v", what, took, limit)
	}
	return err
}

// Every call returns when its context ends, though the network swallows everything.
func TestHazard01_BlackHole(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	p, source := newProxy(t, database)
	c := newClient(t, Open(source, Config{}))
	a := c.hold("a").Attempt
	c.RenewLease(t.Context(), c.lease.ID)
	p.set(false, false)
	for what, call := range map[string]func(context.Context) error{
		"Acquire":    func(ctx context.Context) error { _, err := c.Acquire(ctx, c.attempt("b"), true); return err },
		"Release":    func(ctx context.Context) error { _, err := c.Release(ctx, a); return err },
		"RenewLease": func(ctx context.Context) error { _, err := c.RenewLease(ctx, c.lease.ID); return err },
		"Read":       func(ctx context.Context) error { _, err := c.Read(ctx, driver.Query{Limit: 1}); return err },
		"TakeOver":   func(ctx context.Context) error { return c.TakeOver(ctx, "a", nil, 0) },
		"Listen": func(ctx context.Context) error {
			return c.Listen(ctx, c.lease.ID, func(driver.Hint) {})
		},
	} {
		if err := within(t, what, call); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s in a black hole: %v", what, err)
		}
	}
	p.set(true, true)
	if got := c.release(a); got != driver.Released && got != driver.Absent {
		t.Errorf("Release afterwards: outcome %d", got)
	}
	if row := c.row("a"); row.Held() {
		t.Errorf("a ghost: %+v", row)
	}
}

// The holder's context ends by its trust deadline though no reply ever comes.
func TestHazard01_BlackHoleEndsContextByTheDeadline(t *testing.T) {
	t.Parallel()
	p, source := newProxy(t, testDatabase(t))
	client, err := leasehold.Open(t.Context(), Open(source, Config{}), leasehold.Config{TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lock, err := client.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	p.set(false, false)
	<-lock.Context().Done()
	if late := time.Since(lock.Deadline()); late > 200*time.Millisecond {
		t.Errorf("the context ended %v after the deadline", late)
	}
	p.set(true, true)
	_ = lock.Close() // it was lost
}

func TestHazard21_CloseInABlackHole(t *testing.T) {
	t.Parallel()
	p, source := newProxy(t, testDatabase(t))
	c := newClient(t, Open(source, Config{}))
	p.set(false, false)
	done := make(chan error, 1)
	go func() { _, err := c.Acquire(t.Context(), c.attempt("a"), false); done <- err }()
	await(t, "the call is in progress", func() bool { return len(c.command.turn) > 0 })
	start := time.Now()
	_ = c.Close() // what it says of a dead network does not matter
	if took := time.Since(start); took > 5*politeness {
		t.Errorf("Close took %v", took)
	}
	if err := <-done; !errors.Is(err, errClosed) {
		t.Errorf("the call in progress: %v", err)
	}
}

// A statement that the server holds back, by a row lock, does not take effect after its
// caller has given up and let go of the attempt: the connection that follows ends it first.
func TestHazard09_BlockedStatementIsDead(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	c := newClient(t, store)
	c.release(c.hold("a").Attempt)
	c.release(c.hold("a").Attempt) // its next acquisition is the short statement, which waits
	db := openDB(t, serverURL(t))
	tx := begin(t, db, sql.LevelReadCommitted)
	if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM "+c.t.lock+" WHERE name = "+bytesSQL("a")+" FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	a := c.attempt("a")
	if err := within(t, "Acquire", func(ctx context.Context) error { _, err := c.Acquire(ctx, a, true); return err }); err == nil {
		t.Fatal("acquired under the row lock of another")
	}
	var lost []string
	await(t, "the connection is given up", func() bool {
		c.command.turn <- struct{}{}
		lost = c.command.lost
		<-c.command.turn
		return len(lost) == 1
	})
	if got, err := c.Release(t.Context(), a); err != nil || got != driver.Busy {
		t.Errorf("Release under the row lock of another: %v, %v; want Busy", got, err)
	}
	if holder := value[sql.NullInt64](t, db, "SELECT IS_USED_LOCK('"+lost[0]+"')"); holder.Valid {
		t.Error("a statement was sent while the connection before was still there")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := c.release(a); got != driver.Absent {
		t.Errorf("the attempt that was given up: outcome %d, want Absent", got)
	}
	if row := c.row("a"); row.Held() {
		t.Errorf("a ghost: %+v", row)
	}
}

// Replies are lost: what was done is found to be done.
func TestHazard09_LostReply(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	p, source := newProxy(t, database)
	c := newClient(t, Open(source, Config{}))
	observer := newClient(t, Open(serverURL(t), Config{Database: database}))
	a := c.attempt("a")
	p.set(true, false)
	if err := within(t, "Acquire", func(ctx context.Context) error { _, err := c.Acquire(ctx, a, true); return err }); err == nil {
		t.Fatal("a reply came though it was held back")
	}
	p.set(true, true)
	if got := c.release(a); got != driver.Released && got != driver.Absent {
		t.Errorf("outcome %d", got)
	}
	b := observer.hold("a")
	if row := observer.row("a"); !row.HeldBy(b.Place()) {
		t.Errorf("something came late: %+v", row)
	}
}

// Connections are killed at random, idle or in the middle of a statement; no attempt that
// was let go of is left in a row.
func TestHazard11_KilledConnectionsLeaveNoGhost(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	c := newClient(t, store)
	db := openDB(t, serverURL(t))
	ctx, stop := context.WithCancel(t.Context())
	killed := make(chan int)
	go func() { killed <- killAtRandom(ctx, db, c) }()
	interrupted := 0
	for i := range 300 {
		if i >= 100 && interrupted >= 5 {
			break
		}
		a := c.attempt("a")
		if _, err := c.Acquire(t.Context(), a, true); err != nil {
			interrupted++
		}
		c.release(a)
		if row := c.look("a"); row.Held() || len(row.Queue) > 0 {
			t.Fatalf("a ghost after %d turns: %+v", i, row)
		}
	}
	stop()
	if n := <-killed; n == 0 || interrupted == 0 {
		t.Errorf("%d connections were killed, %d calls interrupted: the test shows nothing", n, interrupted)
	}
}

// look is row for when connections are killed.
func (c *client) look(name string) (row driver.Lock) {
	c.tb.Helper()
	await(c.tb, "a read that is not interrupted", func() bool {
		view, err := c.Read(c.tb.Context(), driver.Query{Names: []string{name}})
		if err == nil && len(view.Locks) == 1 {
			row = view.Locks[0]
		}
		return err == nil
	})
	return row
}

// killAtRandom kills the client's connections, and their statements, until ctx ends.
func killAtRandom(ctx context.Context, db *sql.DB, c *client) (killed int) {
	for backoff.Sleep(ctx, rand.N(20*time.Millisecond)) {
		var id int64
		err := db.QueryRowContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND DB = '"+
			c.cfg.Database+"' ORDER BY RAND() LIMIT 1").Scan(&id)
		if err != nil {
			continue
		}
		kind := "CONNECTION "
		if rand.N(2) == 0 {
			kind = "QUERY "
		}
		if _, err := db.ExecContext(ctx, "KILL "+kind+number(id)); err == nil {
			killed++
		}
	}
	return killed
}
