//go:build unix

package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// Both directions of every connection hang: each call returns when its context
// ends, and when the network is back they work again.
func TestHazard01_BlackHole(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	ctx := t.Context()
	hold := c.hold("a")
	if _, err := c.RenewLease(ctx, c.lease.ID); err != nil {
		t.Fatal(err)
	}
	p.shut()
	calls := map[string]func(context.Context) error{
		"RenewLease": func(ctx context.Context) error { _, err := c.RenewLease(ctx, c.lease.ID); return err },
		"Read":       func(ctx context.Context) error { _, err := c.Read(ctx, driver.Query{Limit: 1}); return err },
		"Acquire":    func(ctx context.Context) error { _, err := c.Acquire(ctx, c.attempt("b"), true); return err },
		"Release":    func(ctx context.Context) error { _, err := c.Release(ctx, hold.Attempt); return err },
		"Listen":     func(ctx context.Context) error { return c.Listen(ctx, c.lease.ID, func(driver.Hint) {}) },
	}
	for name, call := range calls {
		for range 4 {
			err := within(t, name, call)
			if !errors.Is(err, context.DeadlineExceeded) || driver.IsPermanent(err) {
				t.Errorf("%s in a black hole: %v", name, err)
			}
		}
	}
	p.unshut()
	await(t, "renewal after the outage", func() bool { _, err := c.RenewLease(ctx, c.lease.ID); return err == nil })
	if got := c.release(hold.Attempt); got != driver.Released {
		t.Errorf("Release after the outage: outcome %d", got)
	}
}

// Close does not wait for a network that hangs.
func TestHazard21_CloseInABlackHole(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	p.shut()
	stuck := make(chan error, 1)
	go func() { _, err := c.Acquire(t.Context(), c.attempt("a"), false); stuck <- err }()
	await(t, "the call is under way", func() bool { return len(c.command.turn) == 1 })
	start := time.Now()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*politeness {
		t.Errorf("Close took %v", took)
	}
	if err := <-stuck; !errors.Is(err, errClosed) {
		t.Errorf("the call in progress: %v", err)
	}
	if _, err := c.Acquire(t.Context(), c.attempt("a"), false); !errors.Is(err, errClosed) {
		t.Errorf("a call after Close: %v", err)
	}
}

// An acquire is held up on its way to the server, and its caller gives up. Once
// a Release of the attempt has returned nil, the statement may arrive: it has no
// effect, because the server process it was for has ended.
func TestHazard09_DelayedStatementIsDead(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	delay(t, p, c)
}

// delay holds an acquire of the client's up on its way through p, for longer than its caller
// waits. It has no effect once a Release of the attempt has returned nil.
func delay(t *testing.T, p *proxy, c *client) {
	t.Helper()
	c.release(c.hold("b").Attempt) // from now on a call is one round trip
	a := c.attempt("a")
	up, down := p.fresh()
	up.shut()
	down.shut()
	err := within(t, "Acquire", func(ctx context.Context) error { _, err := c.Acquire(ctx, a, true); return err })
	if err == nil {
		t.Fatal("the statement was not held up")
	}
	if got := c.release(a); got != driver.Absent {
		t.Errorf("outcome %d, want Absent", got)
	}
	up.unshut()
	down.unshut()
	for range 50 { // many times longer than a statement takes
		view, err := c.Read(t.Context(), driver.Query{Limit: 10})
		if err != nil || len(view.Locks) != 1 || view.Locks[0].Name != "b" {
			t.Fatalf("after the release: %+v, %v", view.Locks, err)
		}
		time.Sleep(4 * time.Millisecond)
	}
}

// The reply to an acquire is lost: its Release still ends what was granted.
func TestHazard09_LostReply(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	c.release(c.hold("b").Attempt) // from now on a call is one round trip
	a := c.attempt("a")
	_, down := p.fresh()
	down.shut()
	err := within(t, "Acquire", func(ctx context.Context) error { _, err := c.Acquire(ctx, a, true); return err })
	if err == nil {
		t.Fatal("the reply was not held up")
	}
	if got := c.release(a); got != driver.Released {
		t.Errorf("outcome %d, want Released", got)
	}
}

// The server process of an acquire is stopped with the statement inside. Nothing
// else of the client's runs until it has ended, but the keepalive does; and once
// it has ended, nothing of it takes effect.
func TestHazard09_StoppedBackend(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	c := newClient(t, New(pool, Config{}))
	ctx := t.Context()
	if _, err := c.RenewLease(ctx, c.lease.ID); err != nil {
		t.Fatal(err)
	}
	c.release(c.hold("b").Attempt)
	backend := backendPID(t, c)
	stopProcess(t, backend)
	a := c.attempt("a")
	for range 3 {
		err := within(t, "Acquire", func(ctx context.Context) error { _, err := c.Acquire(ctx, a, true); return err })
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire on a stopped server process: %v", err)
		}
	}
	err = within(t, "Release", func(ctx context.Context) error { _, err := c.Release(ctx, a); return err })
	if err == nil {
		t.Error("Release returned nil while the acquire may still take effect")
	}
	if _, err := c.RenewLease(ctx, c.lease.ID); err != nil {
		t.Errorf("the keepalive waits behind the command connection: %v", err)
	}
	continueProcess(t, backend)
	c.release(a)
	view, err := c.Read(ctx, driver.Query{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range view.Locks {
		if l.Held() {
			t.Errorf("a ghost: %+v", l)
		}
	}
}

// backendPID returns the server process of c's command connection.
func backendPID(t *testing.T, c *client) int {
	t.Helper()
	var pid int
	err := c.on(t.Context(), c.command, func(ctx context.Context, s *session, _ *statements) error {
		return s.QueryRow(ctx, `SELECT pg_backend_pid()`).Scan(&pid)
	})
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
