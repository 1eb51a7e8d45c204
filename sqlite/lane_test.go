package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// occupy takes the file's write lock, as a long transaction of the user's does,
// and returns the function that lets it go.
func occupy(t *testing.T, path string) (free func()) {
	t.Helper()
	tx, err := openUser(t, path).Begin()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(`UPDATE leasehold_meta SET only = only`); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // it may have ended
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// TestBusyFile: while somebody writes for long, renewals and reads go on, and
// writes give up after a fraction of the TTL with an error that may pass.
func TestBusyFile(t *testing.T) {
	store := tempStore(t)
	c := leaseOn(t, connectTTL(t, store, 500*time.Millisecond))
	a := c.hold("a").Attempt
	free := occupy(t, c.path)
	for range 10 {
		if _, err := c.RenewLease(t.Context(), c.lease); err != nil {
			t.Fatalf("RenewLease: %v", err)
		}
		c.row("a")
	}
	_, err := c.Acquire(t.Context(), c.attempt("b"), true)
	if err == nil || driver.IsPermanent(err) || !strings.Contains(err.Error(), "another writer") {
		t.Errorf("Acquire: %v, want an error that may pass", err)
	}
	if outcome, err := c.Release(t.Context(), a); outcome != driver.Busy || err != nil {
		t.Errorf("Release of a held lock: outcome %v, %v, want Busy", outcome, err)
	}
	if _, err := c.Release(t.Context(), c.attempt("a")); !isBusy(err) {
		t.Errorf("Release of another attempt: %v, want an error", err)
	}
	free()
	if outcome, err := c.Release(t.Context(), a); outcome != driver.Released || err != nil {
		t.Errorf("Release: outcome %v, %v", outcome, err)
	}
}

// TestHazard21_CloseBehindABusyFile: Close waits for nobody else, and calls in
// progress end with an error.
func TestHazard21_CloseBehindABusyFile(t *testing.T) {
	c := newClient(t, tempStore(t))
	occupy(t, c.path)
	failed := make(chan error)
	go func() {
		_, err := c.Acquire(context.Background(), c.attempt("a"), true)
		failed <- err
	}()
	await(t, "the call is in progress", func() bool { return len(c.writer.turn) == 1 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-failed; !errors.Is(err, errClosed) {
		t.Errorf("the call in progress: %v", err)
	}
	_, err := c.RenewLease(t.Context(), c.lease)
	if !errors.Is(err, errClosed) {
		t.Errorf("a call after Close: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

// TestAbandonedOperationComesFirst: an operation that its caller gave up on has
// ended before the next one begins.
func TestAbandonedOperationComesFirst(t *testing.T) {
	c := newClient(t, tempStore(t))
	var order []string
	entered, proceed := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-entered; cancel() }()
	_, err := do(ctx, c.conn, c.writer, func() (int, error) {
		close(entered)
		<-proceed
		order = append(order, "abandoned")
		return 0, nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the abandoned call returned %v", err)
	}
	go func() { time.Sleep(10 * time.Millisecond); close(proceed) }()
	_, err = do(t.Context(), c.conn, c.writer, func() (int, error) {
		order = append(order, "next")
		return 0, nil
	})
	if err != nil || fmt.Sprint(order) != "[abandoned next]" {
		t.Errorf("order %v, %v", order, err)
	}
}

// TestBrokenConnectionIsReplaced: a transaction that cannot be ended is ended by
// closing its connection, and the next one has another.
func TestBrokenConnectionIsReplaced(t *testing.T) {
	c := newClient(t, tempStore(t))
	_, err := write(t.Context(), c.conn, func(tx *tx) (int, error) {
		if err := tx.exec("ROLLBACK"); err != nil { // as SQLite does on a full disk
			t.Error(err)
		}
		return 0, errors.New("the disk is full")
	})
	if err == nil || err.Error() != "the disk is full" {
		t.Errorf("the broken transaction: %v", err)
	}
	if c.writer.conn != nil {
		t.Error("the connection is kept")
	}
	c.hold("a")
}
