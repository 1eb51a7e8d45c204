package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// waits counts the waits for a row that the lock timeout has ended.
type waits struct{ atomic.Int64 }

func (n *waits) note(err error) {
	if hasCode(err, codeLockTimeout) {
		n.Add(1)
	}
}

func (n *waits) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

func (n *waits) TraceQueryEnd(_ context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	n.note(data.Err)
}

func (n *waits) TraceBatchStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceBatchStartData) context.Context {
	return ctx
}

func (n *waits) TraceBatchQuery(_ context.Context, _ *pgx.Conn, data pgx.TraceBatchQueryData) {
	n.note(data.Err)
}

func (n *waits) TraceBatchEnd(context.Context, *pgx.Conn, pgx.TraceBatchEndData) {}

// outsider is a transaction of somebody else's that keeps a row locked.
type outsider struct {
	t  *testing.T
	tx pgx.Tx
}

// keepLocked begins one that keeps the row of a name locked: of one that has none, it makes
// the row, under a fence that the clock does not reach.
func keepLocked(t *testing.T, c *client, name string, exists bool) *outsider {
	t.Helper()
	tx, err := testPool(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	text, args := `SELECT FROM leasehold.lock WHERE name = $1 FOR UPDATE`, []any{name}
	if !exists {
		text, args = `INSERT INTO leasehold.lock (name, fence) VALUES ($1, $2)`, []any{name, tomorrow()}
	}
	if _, err := tx.Exec(t.Context(), c.cfg.render(text), args...); err != nil {
		t.Fatal(err)
	}
	return &outsider{t, tx}
}

func (o *outsider) end() {
	o.t.Helper()
	if err := o.tx.Commit(o.t.Context()); err != nil {
		o.t.Fatal(err)
	}
}

// A row that an outsider keeps locked, or is making, keeps its own call waiting. The
// others of its batch wait no longer for it than one slice of time, the lock timeout, or
// two where the row is being made; it gets its lock when the outsider ends.
func TestALockedRowStallsNobodyElse(t *testing.T) {
	t.Parallel()
	schema := testSchema(t)
	for _, exists := range []bool{true, false} {
		t.Run(fmt.Sprint("RowExists=", exists), func(t *testing.T) {
			t.Parallel()
			ended, most := new(waits), int64(1)
			if !exists {
				most = 2
			}
			pool := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.Tracer = ended })
			c, name := newClient(t, New(pool, Config{Schema: schema})), fmt.Sprint("locked ", exists)
			if exists {
				c.release(c.hold(name).Attempt)
			}
			stranger := keepLocked(t, c, name, exists)
			stuck := c.queueing(name)
			calls := []*call{stuck}
			for i := range 20 {
				calls = append(calls, c.queueing(fmt.Sprint("mate ", exists, i)))
			}
			again := c.run(t.Context(), calls)
			if n := ended.Load(); n > most {
				t.Errorf("they waited for %d slices of time", n)
			}
			c.wantHeld(calls[1:]...)
			c.batch(again...)
			if stuck.err == nil || driver.IsPermanent(stuck.err) {
				t.Errorf("the locked one: %v, want an error that passes", stuck.err)
			}
			stranger.end()
			var reply driver.Reply
			await(t, "the lock is granted", func() (done bool) {
				var err error
				reply, err = c.Acquire(t.Context(), stuck.Attempt, true)
				return err == nil
			})
			if !reply.Lock.HeldBy(stuck.Place()) {
				t.Errorf("%+v", reply.Lock)
			}
			if !exists && reply.Lock.Fence <= uint64(time.Now().UnixMicro()) {
				t.Errorf("fence %d is not above that of the row", reply.Lock.Fence)
			}
			if got := c.release(stuck.Attempt); got != driver.Released {
				t.Errorf("outcome %d", got)
			}
		})
	}
}

// A release whose row is locked is Busy, and those beside it are released.
func TestALockedReleaseIsBusy(t *testing.T) {
	t.Parallel()
	store := New(testPool(t), Config{Schema: testSchema(t)})
	c := newClient(t, store)
	var calls []*call
	for i := range 20 {
		calls = append(calls, c.releasing(c.hold(fmt.Sprint("mate ", i)).Attempt))
	}
	stuck := c.releasing(c.hold("locked").Attempt)
	stranger := keepLocked(t, c, "locked", true)
	list := c.meanwhile(append(calls, stuck)...)
	finish(t, list...)
	for _, r := range list[:20] {
		if r.call.err != nil || r.outcome != driver.Released {
			t.Errorf("%q: outcome %d, %v", r.Name, r.outcome, r.call.err)
		}
	}
	if stuck.outcome != driver.Busy || stuck.err != nil {
		t.Errorf("the locked one: outcome %d, %v", stuck.outcome, stuck.err)
	}
	stranger.end()
	if got := c.release(stuck.Attempt); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
}

// A call that was alone finds its row locked, and others come: it waits with them from
// then on, and when the outsider ends it is granted, without an error.
func TestOneThatWaitsForItsRowIsJoined(t *testing.T) {
	t.Parallel()
	store := New(testPool(t), Config{Schema: testSchema(t)})
	c := newClient(t, store)
	c.release(c.hold("locked").Attempt)
	stranger := keepLocked(t, c, "locked", true)
	first := c.ask(c.queueing("locked"))
	await(t, "it waits for the row", func() bool {
		return value[int](t, testPool(t), `SELECT count(*)::int FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
			WHERE NOT l.granted AND a.query LIKE '%' || $1 || '%'`, c.cfg.Schema) > 0
	})
	c.command.mustWait(t)
	others := []*asked{c.ask(c.queueing("b")), c.ask(c.queueing("c"))}
	stranger.end()
	finish(t, append(others, first)...)
	c.wantHeld(first.call, others[0].call, others[1].call)
}

// mustWait fails unless a call is in progress.
func (l *link) mustWait(t *testing.T) {
	t.Helper()
	if len(l.turn) == 0 {
		t.Fatal("no call is in progress")
	}
}

// A name whose row was locked costs no more than any other once it is free.
func TestALockedNameIsForgotten(t *testing.T) {
	t.Parallel()
	pool, writes := countingPool(t)
	c := newClient(t, New(pool, Config{Schema: testSchema(t)}))
	for range 3 { // warm
		c.release(c.hold("a").Attempt)
	}
	stranger := keepLocked(t, c, "a", true)
	if _, err := c.Acquire(t.Context(), c.attempt("a"), true); !hasCode(err, codeLockTimeout) {
		t.Fatalf("a locked row: %v", err)
	}
	for range 2 {
		if _, err := c.Acquire(t.Context(), c.attempt("a"), true); !errors.Is(err, errLocked) {
			t.Errorf("a locked row, again: %v", err)
		}
	}
	stranger.end()
	for range 2 {
		c.release(c.hold("a").Attempt)
	}
	before := writes.Load()
	c.release(c.hold("a").Attempt)
	if n := writes.Load() - before; n != 2 {
		t.Errorf("%d round trips for a cycle", n)
	}
	if c.locked["a"] {
		t.Error("still taken to be locked")
	}
}
