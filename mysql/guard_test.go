package mysql

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// begin begins a transaction of the test's own at the level.
func begin(t *testing.T, db *sql.DB, level sql.IsolationLevel) *sql.Tx {
	t.Helper()
	tx, err := db.BeginTx(t.Context(), &sql.TxOptions{Isolation: level})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tx.Rollback() }) // it may have ended
	return tx
}

var levels = []sql.IsolationLevel{
	sql.LevelReadUncommitted, sql.LevelReadCommitted, sql.LevelRepeatableRead, sql.LevelSerializable,
}

func TestGuardStopsTakeOverOfItsLockAndNothingElse(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	db := openDB(t, serverURL(t))
	for _, level := range levels {
		name := level.String()
		holder, other := newClient(t, store), newClient(t, store)
		held, beside := holder.hold(name), holder.hold(name+" beside")
		tx := begin(t, db, level)
		if err := guard(t.Context(), tx, held); err != nil {
			t.Fatalf("%v: %v", level, err)
		}
		waiter := other.queue(name)
		gaveUp := other.queue(name)
		if got := other.release(gaveUp); got != driver.Cancelled {
			t.Errorf("%v: cancelling beside a guard: %v", level, got)
		}
		if err := other.Revoke(t.Context(), name, held.Fence, driver.Mark{By: "op"}); err != nil {
			t.Errorf("%v: marking beside a guard: %v", level, err)
		}
		if got := holder.release(beside.Attempt); got != driver.Released {
			t.Errorf("%v: releasing another lock beside a guard: %v", level, got)
		}
		if _, err := holder.RenewLease(t.Context(), holder.lease.ID); err != nil {
			t.Errorf("%v: renewing beside a guard: %v", level, err)
		}
		if gone, err := other.EndLease(t.Context(), holder.lease.ID, driver.Grounds{Own: true}); !gone || err != nil {
			t.Errorf("%v: ending the lease beside a guard: %v, %v", level, gone, err)
		}
		if err := other.TakeOver(t.Context(), name, []driver.ID{holder.lease.ID}, 0); err != nil {
			t.Errorf("%v: TakeOver beside a guard: %v", level, err)
		}
		if got, err := holder.Release(t.Context(), held.Attempt); got != driver.Busy || err != nil {
			t.Errorf("%v: Release beside a guard: %v, %v; want Busy", level, got, err)
		}
		if row := other.row(name); !row.HeldBy(held.Place()) {
			t.Fatalf("%v: the lock passed by a guard: %+v", level, row)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := other.TakeOver(t.Context(), name, []driver.ID{holder.lease.ID}, 0); err != nil {
			t.Fatal(err)
		}
		if row := other.row(name); !row.HeldBy(waiter.Place()) {
			t.Errorf("%v: the lock did not pass when the guard had ended: %+v", level, row)
		}
	}
}

// TestHazard25_SupersededHolderCannotGuard: whoever has lost the lock while it was paused is told
// so at every level of isolation, also when its snapshot is from before.
func TestHazard25_SupersededHolderCannotGuard(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	db := openDB(t, serverURL(t))
	for _, level := range levels {
		name := level.String()
		paused, next := newClient(t, store), newClient(t, store)
		held := paused.hold(name)
		tx := begin(t, db, level)
		var rows int
		query := "SELECT COUNT(*) FROM " + paused.t.meta
		if err := tx.QueryRowContext(t.Context(), query).Scan(&rows); err != nil { // it has a snapshot
			t.Fatal(err)
		}
		if _, err := next.EndLease(t.Context(), paused.lease.ID, driver.Grounds{Own: true}); err != nil {
			t.Fatal(err)
		}
		early := begin(t, db, level)
		if err := guard(t.Context(), early, held); !errors.Is(err, leasehold.ErrNotHeld) {
			t.Errorf("%v: a guard of a holder whose lease has ended: %v, want ErrNotHeld", level, err)
		}
		if err := early.Rollback(); err != nil {
			t.Fatal(err)
		}
		await(t, "the lock passes to the next", func() bool {
			if err := next.TakeOver(t.Context(), name, []driver.ID{paused.lease.ID}, 0); err != nil {
				t.Fatal(err)
			}
			a := next.attempt(name)
			reply, err := next.Acquire(t.Context(), a, false)
			return err == nil && reply.Lock.HeldBy(a.Place())
		})
		if err := guard(t.Context(), tx, held); !errors.Is(err, leasehold.ErrNotHeld) {
			t.Errorf("%v: a guard of a superseded holder: %v, want ErrNotHeld", level, err)
		}
	}
}

func TestGuardOfRevokedUnsupportedAndForeign(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	db := openDB(t, serverURL(t))
	c := newClient(t, store)
	revoked := c.hold("revoked")
	if err := c.Revoke(t.Context(), "revoked", revoked.Fence, driver.Mark{By: "op", Reason: "stuck"}); err != nil {
		t.Fatal(err)
	}
	permit := c.holdAs("permit", driver.Terms{Mode: driver.Permit, Limit: 2})
	never := driver.Hold{Attempt: c.attempt("never"), Conn: c.conn}
	foreign := driver.Hold{Attempt: c.attempt("never")}
	for _, test := range []struct {
		hold driver.Hold
		want error
	}{
		{revoked, leasehold.ErrNotHeld}, {permit, leasehold.ErrUnsupported},
		{never, leasehold.ErrNotHeld}, {foreign, leasehold.ErrUnsupported},
	} {
		if err := guard(t.Context(), begin(t, db, sql.LevelDefault), test.hold); !errors.Is(err, test.want) {
			t.Errorf("guard of %q: %v, want %v", test.hold.Name, err, test.want)
		}
	}
	shared := c.holdAs("shared", driver.Terms{Mode: driver.Shared})
	if err := guard(t.Context(), begin(t, db, sql.LevelDefault), shared); err != nil {
		t.Errorf("guard of a shared lock: %v", err)
	}
}

// A guard's row that was deleted is made again, so that the lock can be released.
func TestGuardRowThatIsMissing(t *testing.T) {
	t.Parallel()
	c := newClient(t, testStore(t))
	db := openDB(t, serverURL(t))
	held := c.hold("a")
	execSQL(t, db, "DELETE FROM "+c.t.guard)
	if err := guard(t.Context(), begin(t, db, sql.LevelReadCommitted), held); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("a guard without its row: %v", err)
	}
	if got := c.release(held.Attempt); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
	if err := guard(t.Context(), begin(t, db, sql.LevelReadCommitted), c.hold("a")); err != nil {
		t.Errorf("a guard with its row: %v", err)
	}
}

// TestGuardedWritesAreNeverLost has several clients that expire each other's leases and
// take the lock over, while each adds to a counter in guarded transactions. The counter is
// read without a lock, so an overlap would lose an addition.
func TestGuardedWritesAreNeverLost(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	store := storeIn(t, database)
	db := openDB(t, serverURL(t))
	counter := database + ".counter"
	execSQL(t, db, "CREATE TABLE "+counter+" (n BIGINT NOT NULL) ENGINE = InnoDB")
	execSQL(t, db, "INSERT INTO "+counter+" VALUES (0)")
	const enough = 25
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var acknowledged, unknown int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		c := open(t, store, testTTL)
		wg.Go(func() {
			for ctx.Err() == nil {
				done, err := addGuarded(ctx, asClient(t, c), db, counter)
				mu.Lock()
				switch {
				case done:
					if acknowledged++; acknowledged == enough {
						cancel()
					}
				case err != nil:
					unknown++
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	stored := value[int64](t, db, "SELECT n FROM "+counter)
	if stored < acknowledged || stored > acknowledged+unknown {
		t.Errorf("%d additions were acknowledged, %d are of unknown outcome, and %d are stored", acknowledged, unknown, stored)
	}
	if acknowledged < enough {
		t.Errorf("only %d additions: the test shows nothing", acknowledged)
	}
}

// addGuarded takes the lock, from whoever holds it, and adds one. An error means that the
// commit's outcome is unknown.
func addGuarded(ctx context.Context, c *client, db *sql.DB, counter string) (done bool, err error) {
	a := c.attempt("a")
	reply, err := c.Acquire(ctx, a, false)
	if err != nil {
		return false, nil
	}
	if !reply.Lock.HeldBy(a.Place()) {
		backoff.Sleep(ctx, rand.N(20*time.Millisecond)) // some holders get as far as their guard
		victim := reply.Lock.Holder.Lease
		_, _ = c.EndLease(ctx, victim, driver.Grounds{Own: true})
		_ = c.TakeOver(ctx, "a", []driver.ID{victim}, 0) // a guard may be in progress
		return false, nil
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, nil
	}
	defer tx.Rollback()
	if err := guard(ctx, tx, driver.Hold{Attempt: a, Conn: c.conn}); err != nil {
		return false, nil
	}
	var n int64
	if err := tx.QueryRowContext(ctx, "SELECT n FROM "+counter).Scan(&n); err != nil {
		return false, nil
	}
	backoff.Sleep(ctx, rand.N(30*time.Millisecond)) // paused, with what it has read
	if _, err := tx.ExecContext(ctx, "UPDATE "+counter+" SET n = ?", n+1); err != nil {
		return false, nil
	}
	err = tx.Commit()
	return err == nil, err
}
