package postgres

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// tomorrow is a fence that the clock does not reach during the test.
func tomorrow() int64 { return time.Now().Add(24 * time.Hour).UnixMicro() }

// An acquire stalls while another grant with a larger fence comes and goes. When
// it goes on, its fence is larger still: it was not drawn before the row lock.
func TestHazard23_StalledAcquire(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	for _, found := range []bool{true, false} {
		t.Run(fmt.Sprintf("RowExists=%v", found), func(t *testing.T) {
			c, name := newClient(t, store), fmt.Sprintf("name %v", found)
			if found {
				c.release(c.hold(name).Attempt)
			}
			tx, err := pool.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = tx.Rollback(t.Context()) }()
			// What another client's acquire and release leave behind.
			high := tomorrow()
			sql := `INSERT INTO ` + schema + `.lock (name, fence) VALUES ($1, $2)
				ON CONFLICT (name) DO UPDATE SET fence = excluded.fence`
			if _, err := tx.Exec(t.Context(), sql, name, high); err != nil {
				t.Fatal(err)
			}
			holds := make(chan driver.Hold, 1)
			go func() { holds <- c.hold(name) }()
			await(t, "the acquire stalls", func() bool { return waiting(t, pool, schema) == 1 })
			if err := tx.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			if hold := <-holds; hold.Fence != uint64(high)+1 {
				t.Errorf("fence %d after %d", hold.Fence, high)
			}
		})
	}
}

// A release that stalls hands over with a fence computed when it has the row.
func TestHazard23_StalledRelease(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	c, other := newClient(t, store), newClient(t, store)
	hold := c.hold("a")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	high := tomorrow()
	next := driver.Place{Lease: other.lease.ID, Ticket: driver.NewID()}
	_, err = tx.Exec(t.Context(), `UPDATE `+schema+`.lock SET fence = $1, queue_leases = ARRAY[$2::uuid], queue_tickets = ARRAY[$3::uuid]`,
		high, next.Lease.String(), next.Ticket.String())
	if err != nil {
		t.Fatal(err)
	}
	outcome := make(chan driver.Outcome, 1)
	go func() { outcome <- c.release(hold.Attempt) }()
	await(t, "the release stalls", func() bool { return waiting(t, pool, schema) == 1 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-outcome; got != driver.Released {
		t.Errorf("outcome %d", got)
	}
	if row := other.row("a"); !row.HeldBy(next) || row.Fence != uint64(high)+1 {
		t.Errorf("row %+v; want %v with fence %d", row, next, high+1)
	}
}

// A promotion that commits while the promoted attempt's release is under way is
// seen by it: it releases, and does not report that it has nothing.
func TestReleaseSeesAPromotionInProgress(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	c, other := newClient(t, store), newClient(t, store)
	hold := c.hold("a")
	next := other.queue("a")
	tx, err := pool.BeginTx(t.Context(), pgx.TxOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	var holds, crowded, done, same, granting, silent bool
	err = tx.QueryRow(t.Context(), c.told.release, "a", hold.Lease.String(), hold.Ticket.String(), nil).
		Scan(&holds, &crowded, &done, &same, &granting, &silent)
	if err != nil || !done {
		t.Fatal(done, err)
	}
	outcome := make(chan driver.Outcome, 1)
	go func() {
		got := other.release(next)
		for got == driver.Busy { // the row was locked for longer than the lock timeout
			got = other.release(next)
		}
		outcome <- got
	}()
	await(t, "the second release waits", func() bool { return waiting(t, pool, schema) == 1 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-outcome; got != driver.Released {
		t.Errorf("outcome %d, want Released", got)
	}
	if row := other.row("a"); row.Held() {
		t.Errorf("row %+v", row)
	}
}

// Two take-overs at once, one of which waits for the other: the second judges
// the row that the first has left, and removes nobody else.
func TestTakeOverComparesTheNewestRow(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	dead, first, second := newClient(t, store), newClient(t, store), newClient(t, store)
	dead.hold("a")
	next, after := first.queue("a"), second.queue("a")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	gone := []driver.ID{dead.lease.ID}
	defer func() { _ = tx.Rollback(context.Background()) }()
	var crowded, taken, same, granting, silent bool
	err = tx.QueryRow(t.Context(), first.told.takeOver, "a", []string{dead.lease.ID.String()}, int64(0), nil).
		Scan(&crowded, &taken, &same, &granting, &silent)
	if err != nil || !taken {
		t.Fatal(taken, err)
	}
	done := make(chan error, 1)
	go func() { done <- second.TakeOver(t.Context(), "a", gone, 0) }()
	await(t, "the second take-over waits", func() bool { return waiting(t, pool, schema) == 1 })
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	row := first.row("a")
	if !row.HeldBy(next.Place()) || row.Ahead(after.Place()) != 0 {
		t.Errorf("row %+v", row)
	}
}

// A row that somebody keeps locked delays its own name's calls by the lock
// timeout, and no others.
func TestStalledRowDelaysOnlyItsName(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	hold := c.hold("a")
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(t.Context()) }()
	if _, err := tx.Exec(t.Context(), `SELECT FROM `+schema+`.lock FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if got, err := c.Release(t.Context(), hold.Attempt); got != driver.Busy || err != nil {
		t.Errorf("Release of a stalled row: %d, %v", got, err)
	}
	if _, err := c.Acquire(t.Context(), c.attempt("a"), true); !hasCode(err, codeLockTimeout) && !errors.Is(err, errLocked) {
		t.Errorf("Acquire of a stalled row: %v", err)
	}
	if reply, err := c.Acquire(t.Context(), c.attempt("a"), false); err != nil || !reply.Lock.HeldBy(hold.Place()) {
		t.Errorf("a try, which need not wait: %+v, %v", reply, err)
	}
	if took := time.Since(start); took > testTTL/3 {
		t.Errorf("the calls took %v", took)
	}
	c.release(c.hold("b").Attempt)
}
