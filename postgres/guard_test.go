package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// guarded is what the guard's tests share: a holder, somebody else, and a table
// of the user's that the lock protects.
type guarded struct {
	t      *testing.T
	pool   *pgxpool.Pool
	schema string
	holder *client
	other  *client
	hold   driver.Hold
}

func newGuarded(t *testing.T) *guarded {
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	g := &guarded{t: t, pool: pool, schema: schema, holder: newClient(t, store), other: newClient(t, store)}
	execSQL(t, pool, `CREATE TABLE `+schema+`.account (balance int)`)
	execSQL(t, pool, `INSERT INTO `+schema+`.account VALUES (0)`)
	g.hold = g.holder.hold("a")
	return g
}

// begin starts a transaction of the user's that is rolled back at the end
// unless it is committed.
func (g *guarded) begin(level pgx.TxIsoLevel) pgx.Tx {
	g.t.Helper()
	tx, err := g.pool.BeginTx(g.t.Context(), pgx.TxOptions{IsoLevel: level})
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func (g *guarded) guard(tx pgx.Tx) {
	g.t.Helper()
	if err := guardHold(g.t.Context(), tx, g.hold); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guarded) commit(tx pgx.Tx) {
	g.t.Helper()
	if err := tx.Commit(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
}

// expire ends the holder's lease, as an observer does.
func (g *guarded) expire() {
	g.t.Helper()
	view, err := g.other.Read(g.t.Context(), driver.Query{Names: []string{"a"}})
	if err != nil {
		g.t.Fatal(err)
	}
	beat := view.Leases[g.holder.lease.ID].Beat
	if gone, err := g.other.EndLease(g.t.Context(), g.holder.lease.ID, driver.Grounds{Observed: beat}); !gone || err != nil {
		g.t.Fatalf("EndLease: %v, %v", gone, err)
	}
}

func (g *guarded) takeOver() {
	g.t.Helper()
	if err := g.other.TakeOver(g.t.Context(), "a", []driver.ID{g.holder.lease.ID}, 0); err != nil {
		g.t.Fatal(err)
	}
}

func (g *guarded) wantHolder(a driver.Attempt) {
	g.t.Helper()
	if row := g.other.row("a"); !row.HeldBy(a.Place()) {
		g.t.Fatalf("the holder is %v, want %v", row.Holder, a.Place())
	}
}

// The guard stops a take-over of its own lock, and nothing else.
func TestGuardStopsTakeOverAndNothingElse(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	tx := g.begin(pgx.ReadCommitted)
	g.guard(tx)
	ctx := t.Context()

	first, second := g.other.queue("a"), g.other.queue("a")
	if got := g.other.release(second); got != driver.Cancelled {
		t.Errorf("cancelling under a guard: outcome %d", got)
	}
	if err := g.other.Revoke(ctx, "a", g.hold.Fence, driver.Mark{By: "op", Reason: "why"}); err != nil {
		t.Errorf("marking under a guard: %v", err)
	}
	if _, err := g.holder.RenewLease(ctx, g.holder.lease.ID); err != nil {
		t.Errorf("renewing under a guard: %v", err)
	}
	g.other.release(g.other.hold("b").Attempt)

	g.expire()
	start := time.Now()
	g.takeOver()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("a take-over waited %v for a guard", took)
	}
	g.wantHolder(g.hold.Attempt)
	g.commit(tx)
	g.takeOver()
	g.wantHolder(first)
}

// A read-modify-write that is guarded is never lost to a successor's: the
// take-over waits for it.
func TestGuardedWriteIsNotLost(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	next := g.other.queue("a")
	tx := g.begin(pgx.ReadCommitted)
	g.guard(tx)
	var balance int
	if err := tx.QueryRow(t.Context(), `SELECT balance FROM `+g.schema+`.account`).Scan(&balance); err != nil {
		t.Fatal(err)
	}
	g.expire()

	took := make(chan int, 1) // what the successor reads once it holds
	go func() {
		for {
			_ = g.other.TakeOver(t.Context(), "a", []driver.ID{g.holder.lease.ID}, 0)
			view, err := g.other.Read(t.Context(), driver.Query{Names: []string{"a"}})
			if err != nil || view.Locks[0].HeldBy(next.Place()) {
				break
			}
		}
		var seen int
		_ = g.pool.QueryRow(t.Context(), `SELECT balance FROM `+g.schema+`.account`).Scan(&seen)
		took <- seen
	}()
	select {
	case <-took:
		t.Fatal("the lock was taken over during the guarded transaction")
	case <-time.After(100 * time.Millisecond): // the fault needs less
	}
	if _, err := tx.Exec(t.Context(), `UPDATE `+g.schema+`.account SET balance = $1`, balance+1); err != nil {
		t.Fatal(err)
	}
	g.commit(tx)
	if seen := <-took; seen != 1 {
		t.Errorf("the successor began with %d, before the guarded write", seen)
	}
}

// Release does not wait for a guard, and succeeds when it has ended.
func TestReleaseUnderGuardIsBusy(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	next := g.other.queue("a")
	tx := g.begin(pgx.ReadCommitted)
	g.guard(tx)
	for range 3 {
		start := time.Now()
		got, err := g.holder.Release(t.Context(), g.hold.Attempt)
		if got != driver.Busy || err != nil {
			t.Fatalf("outcome %d, %v; want Busy", got, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("Release waited %v", took)
		}
	}
	g.wantHolder(g.hold.Attempt)
	g.commit(tx)
	if got := g.holder.release(g.hold.Attempt); got != driver.Released {
		t.Errorf("outcome %d, want Released", got)
	}
	g.wantHolder(next)
}

// A holder that was paused past its lease cannot commit what it wrote.
func TestHazard25_PausedHolderFailsToCommit(t *testing.T) {
	t.Parallel()
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable} {
		t.Run(string(level), func(t *testing.T) {
			g := newGuarded(t)
			g.other.queue("a")
			tx := g.begin(level)
			if _, err := tx.Exec(t.Context(), `UPDATE `+g.schema+`.account SET balance = 99`); err != nil {
				t.Fatal(err)
			}
			g.expire() // the holder is paused here
			g.takeOver()
			err := guardHold(t.Context(), tx, g.hold)
			if level == pgx.ReadCommitted {
				if !errors.Is(err, leasehold.ErrNotHeld) {
					t.Fatalf("guard of a lost lock: %v", err)
				}
			} else if !hasCode(err, codeSerialization) {
				t.Fatalf("guard after a change of holder: %v", err)
			}
		})
	}
}

// The lease has been ended, and nobody took the lock over yet.
func TestGuardChecksTheLease(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	g.expire()
	if err := guardHold(t.Context(), g.begin(pgx.ReadCommitted), g.hold); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard with an ended lease: %v", err)
	}
}

func TestGuardChecksTheMark(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	if err := g.other.Revoke(t.Context(), "a", g.hold.Fence, driver.Mark{By: "op", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	if err := guardHold(t.Context(), g.begin(pgx.ReadCommitted), g.hold); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard of a revoked lock: %v", err)
	}
}

// A guard that waits for a change of holder in progress sees its result.
func TestGuardWaitsForAChangeOfHolder(t *testing.T) {
	t.Parallel()
	for _, level := range []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.RepeatableRead} {
		t.Run(string(level), func(t *testing.T) {
			g := newGuarded(t)
			next := g.other.queue("a")
			// The release's own statement, held open before its commit.
			change := g.begin(pgx.ReadCommitted)
			var holds, crowded, done, same, granting, silent bool
			err := change.QueryRow(t.Context(), g.holder.told.release, "a", g.hold.Lease.String(), g.hold.Ticket.String(), nil).
				Scan(&holds, &crowded, &done, &same, &granting, &silent)
			if err != nil || !done {
				t.Fatalf("release: %v, %v", done, err)
			}
			tx := g.begin(level)
			verdict := make(chan error, 1)
			go func() { verdict <- guardHold(t.Context(), tx, g.hold) }()
			await(t, "the guard waits for the row", func() bool {
				return value[int](t, g.pool, `SELECT count(*)::int FROM pg_stat_activity WHERE pid = $1 AND wait_event_type = 'Lock'`,
					int(tx.Conn().PgConn().PID())) == 1
			})
			g.commit(change)
			if err := <-verdict; err == nil || level == pgx.ReadCommitted && !errors.Is(err, leasehold.ErrNotHeld) {
				t.Errorf("a guard of the lock released meanwhile: %v", err)
			}
			g.wantHolder(next)
		})
	}
}

// Under the stricter levels a change of the queue does not hinder a guard, whose
// snapshot is older; and the guard it gives is as good as any.
func TestGuardAfterQueueingUnderRepeatableRead(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	tx := g.begin(pgx.RepeatableRead)
	if _, err := tx.Exec(t.Context(), `SELECT 1`); err != nil { // the snapshot
		t.Fatal(err)
	}
	next := g.other.queue("a")
	g.guard(tx)
	g.expire()
	g.takeOver()
	g.wantHolder(g.hold.Attempt)
	if got, err := g.holder.Release(t.Context(), g.hold.Attempt); got != driver.Busy || err != nil {
		t.Errorf("Release under the guard: %d, %v", got, err)
	}
	g.commit(tx)
	g.takeOver()
	g.wantHolder(next)
}

// Documented: ROLLBACK TO an earlier savepoint drops the guard.
func TestRollbackToSavepointDropsTheGuard(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	tx := g.begin(pgx.ReadCommitted)
	inner, err := tx.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	g.guard(inner)
	if err := inner.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := g.holder.Release(t.Context(), g.hold.Attempt); got != driver.Released || err != nil {
		t.Errorf("Release after ROLLBACK TO: %d, %v", got, err)
	}
	if err := guardHold(t.Context(), tx, g.hold); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("guard again: %v", err)
	}
}

// Guard and GuardTx with a Lock of a Client's.
func TestGuardOfALock(t *testing.T) {
	t.Parallel()
	pool := testPool(t)
	client, err := leasehold.Open(t.Context(), New(pool, Config{Schema: testSchema(t)}), leasehold.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lock, err := client.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(pool)
	defer db.Close()
	check := func() (pgxErr, sqlErr error) {
		tx, err := pool.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(context.Background()) }()
		sqlTx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = sqlTx.Rollback() }()
		return Guard(t.Context(), tx, lock), GuardTx(t.Context(), sqlTx, lock)
	}
	if a, b := check(); a != nil || b != nil {
		t.Errorf("guards of a held lock: %v; %v", a, b)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if a, b := check(); !errors.Is(a, leasehold.ErrNotHeld) || !errors.Is(b, leasehold.ErrNotHeld) {
		t.Errorf("guards of a released lock: %v; %v", a, b)
	}
}
