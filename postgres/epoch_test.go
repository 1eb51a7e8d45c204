package postgres

import (
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// failOver makes the recorded incarnation another than the server's, which is
// what clients see after a promotion.
func failOver(t *testing.T, pool *pgxpool.Pool, schema string) {
	t.Helper()
	execSQL(t, pool, `UPDATE `+schema+`.epoch SET timeline = '000000FF'`)
}

// resume ends the pause in granting.
func resume(t *testing.T, pool *pgxpool.Pool, schema string) {
	t.Helper()
	execSQL(t, pool, `UPDATE `+schema+`.epoch SET granting = true`)
}

func paused(err error) bool {
	_, ok := asType[*pausedError](err)
	return ok && !driver.IsPermanent(err)
}

// Every call that grants or renews judges the incarnation it runs on, and a new
// one gets one number, larger than the last, whoever sees it first.
func TestEpochRisesOnceForAll(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	clients := make([]*client, 8)
	for i := range clients {
		clients[i] = newClient(t, store)
	}
	last := uint64(0)
	for range 4 {
		failOver(t, pool, schema)
		epochs := make([]uint64, len(clients))
		var wg sync.WaitGroup
		for i, c := range clients {
			wg.Go(func() {
				if i%2 == 0 {
					if _, err := c.Acquire(t.Context(), c.attempt("a"), false); !paused(err) {
						t.Errorf("Acquire: %v", err)
					}
				}
				r, _ := c.RenewLease(t.Context(), c.lease.ID)
				epochs[i] = r.Epoch
			})
		}
		wg.Wait()
		for i, epoch := range epochs {
			if epoch != epochs[0] || epoch <= last {
				t.Fatalf("client %d reports epoch %d, another %d; before it was %d", i, epoch, epochs[0], last)
			}
		}
		last = epochs[0]
	}
}

// Hand-overs judge it, too, and follow when granting begins again.
func TestEpochIsJudgedByHandOvers(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	holder, waiter := newClient(t, store), newClient(t, store)
	hold := holder.hold("a")
	next := waiter.queue("a")
	failOver(t, pool, schema)
	if got, err := holder.Release(t.Context(), hold.Attempt); got != driver.Busy || err != nil {
		t.Errorf("outcome %d, %v", got, err)
	}
	resume(t, pool, schema)
	holder.release(hold.Attempt)
	last := holder.queue("a")
	failOver(t, pool, schema)
	for range 2 {
		if err := holder.TakeOver(t.Context(), "a", []driver.ID{waiter.lease.ID}, 0); err != nil {
			t.Fatal(err)
		}
		if row := holder.row("a"); !row.HeldBy(next.Place()) {
			t.Errorf("taken over: %+v", row)
		}
	}
	resume(t, pool, schema)
	if err := holder.TakeOver(t.Context(), "a", []driver.ID{waiter.lease.ID}, 0); err != nil {
		t.Fatal(err)
	}
	if row := holder.row("a"); !row.HeldBy(last.Place()) {
		t.Errorf("after %v: %+v", next, row)
	}
}

// While the epoch does not grant, nobody becomes a holder, by whatever call; what
// grants nothing goes on.
func TestNothingIsGrantedWhileTheEpochDoesNot(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	holder, waiter := newClient(t, store), newClient(t, store)
	alone, hold := holder.hold("alone"), holder.hold("a")
	next := waiter.queue("a")
	failOver(t, pool, schema)

	if _, err := waiter.Acquire(t.Context(), waiter.attempt("free"), true); !paused(err) {
		t.Errorf("Acquire: %v", err)
	}
	if reply, err := waiter.Acquire(t.Context(), waiter.attempt("a"), false); err != nil || !reply.Lock.HeldBy(hold.Place()) {
		t.Errorf("a try on what is held: %+v, %v", reply, err)
	}
	if got, err := holder.Release(t.Context(), hold.Attempt); got != driver.Busy || err != nil {
		t.Errorf("Release with a waiter: %d, %v", got, err)
	}
	if err := waiter.TakeOver(t.Context(), "a", []driver.ID{holder.lease.ID}, 0); err != nil {
		t.Error(err)
	}
	if row := waiter.row("a"); !row.HeldBy(hold.Place()) || row.Fence != hold.Fence {
		t.Errorf("granted: %+v", row)
	}
	if _, err := holder.RenewLease(t.Context(), holder.lease.ID); err != nil {
		t.Errorf("RenewLease: %v", err)
	}
	if got, err := holder.Release(t.Context(), alone.Attempt); got != driver.Released || err != nil {
		t.Errorf("Release without a waiter: %d, %v", got, err)
	}

	resume(t, pool, schema)
	holder.release(hold.Attempt)
	if row := waiter.row("a"); !row.HeldBy(next.Place()) {
		t.Errorf("row %+v", row)
	}
}

// Where the server does not tell its incarnation it is taken to be constant.
func TestIncarnationUntold(t *testing.T) {
	t.Parallel()
	admin, schema := testPool(t), testSchema(t)
	role := schema + "_role"
	execSQL(t, admin, `CREATE DATABASE `+schema)
	t.Cleanup(func() {
		execSQL(t, admin, `DROP DATABASE `+schema+` WITH (FORCE)`)
		execSQL(t, admin, `DROP ROLE `+role)
	})
	execSQL(t, admin, `CREATE ROLE `+role+` LOGIN PASSWORD 'secret'`)
	inside := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.Database = schema })
	execSQL(t, inside, `REVOKE EXECUTE ON FUNCTION pg_control_system(), pg_current_wal_insert_lsn() FROM PUBLIC`)
	execSQL(t, inside, `GRANT CREATE ON DATABASE `+schema+` TO `+role)
	store := New(testPool(t, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.Database, cfg.ConnConfig.User, cfg.ConnConfig.Password = schema, role, "secret"
	}), Config{})
	holder, waiter := newClient(t, store), newClient(t, store)
	hold := holder.hold("a")
	next := waiter.queue("a")
	failOver(t, inside, "leasehold")
	holder.release(hold.Attempt)
	if row := waiter.row("a"); !row.HeldBy(next.Place()) {
		t.Errorf("row %+v", row)
	}
	if r, err := holder.RenewLease(t.Context(), holder.lease.ID); err != nil || r.Epoch != 0 {
		t.Errorf("renewal %+v, %v", r, err)
	}
	// An operator who knows better says so.
	if err := store.NewEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := holder.RenewLease(t.Context(), holder.lease.ID); err != nil || r.Epoch == 0 {
		t.Errorf("renewal %+v, %v", r, err)
	}
	if _, err := holder.Acquire(t.Context(), holder.attempt("b"), true); !paused(err) {
		t.Errorf("Acquire: %v", err)
	}
}
