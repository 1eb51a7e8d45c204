package distrlock_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

// A lease acquired late in a long transaction is as long as one acquired early.
func TestHazard27_DistrlockLateInATransaction(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		tx, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		ask(t, tx, "SELECT 1")
		time.Sleep(1500 * time.Millisecond)
		must(t, l.Acquire(t.Context(), tx, time.Second))
		must(t, tx.Commit())
		if p.free("k") {
			t.Error("the lease was over when it began")
		}
		must(t, l.Extend(t.Context(), p.db))
	})
}

// ask runs a query for one number.
func ask(t *testing.T, tx *sql.Tx, text string) {
	t.Helper()
	var number int
	must(t, tx.QueryRowContext(t.Context(), text).Scan(&number))
}

// Acquire waits for another transaction for longer than the lease. The lease counts from the end of the wait.
func TestFix_ALeaseCountsFromTheEndOfTheWait(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, executor := range []distrlock.SQLExecutor{p.db, execer{p.db}} {
			other, l := p.lock("k"), p.lock("k") // on MySQL, NewLock waits for the row too
			block, err := p.db.BeginTx(t.Context(), nil)
			must(t, err)
			must(t, other.Acquire(t.Context(), block, time.Minute))
			acquired := make(chan error, 1)
			go func() { acquired <- l.Acquire(t.Context(), executor, 2*time.Second) }()
			time.Sleep(2200 * time.Millisecond)
			must(t, block.Rollback())
			must(t, <-acquired)
			if p.free("k") {
				t.Error("the lease was over when Acquire returned")
			}
			must(t, l.Release(t.Context(), p.db))
		}
	})
}

// So does the trust of DoExclusively.
func TestFix_TrustCountsFromTheEndOfTheWait(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		other, l := p.lock("k"), p.lock("k") // on MySQL, NewLock waits for the row too
		block, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		must(t, other.Acquire(t.Context(), block, time.Minute))
		done := make(chan error, 1)
		go func() {
			done <- l.DoExclusively(t.Context(), p.db, func(ctx context.Context) error {
				time.Sleep(500 * time.Millisecond)
				return context.Cause(ctx)
			}, distrlock.WithLockTTL(3*time.Second))
		}()
		time.Sleep(3200 * time.Millisecond)
		must(t, block.Rollback())
		must(t, <-done)
	})
}

// The caller gives up while the server waits for the row. When the row is free, the lock is.
func TestHazard09_DistrlockCancelledAcquireLeavesNothing(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for range 3 {
			other, l := p.lock("k"), p.lock("k") // on MySQL, NewLock waits for the row too
			block, err := p.db.BeginTx(t.Context(), nil)
			must(t, err)
			must(t, other.Acquire(t.Context(), block, time.Minute))
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			start := time.Now()
			if err := l.Acquire(ctx, p.db, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Acquire: %v", err)
			}
			if took := time.Since(start); took > patience {
				t.Errorf("Acquire returned after %v", took)
			}
			cancel()
			must(t, block.Rollback())
			await(t, "the lock is free for good", func() bool {
				for range 5 {
					if !p.free("k") {
						return false
					}
					time.Sleep(10 * time.Millisecond)
				}
				return true
			})
			if l.Token() != "" {
				t.Error("a lock that was not acquired has a token")
			}
		}
	})
}

// Somebody holds the lock under a token of its own, and somebody else with that token gives up an Acquire. The
// hold stays, whatever becomes of that.
func TestHazard14_DistrlockGivenUpAcquireLeavesTheTokensHold(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		const token = "0b2a9f0e-8a49-4f4b-9d9b-2f3a53c0b6a1"
		holder, other := p.lock("k"), p.lock("k")
		must(t, holder.AcquireWithStaticToken(t.Context(), p.db, token, time.Minute))
		block, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		_, err = block.ExecContext(t.Context(), "UPDATE distributed_locks SET lock_key = 'k' WHERE lock_key = 'k'")
		must(t, err)
		if isMySQL(d) {
			_, err = block.ExecContext(t.Context(), "SELECT * FROM distributed_locks FOR UPDATE")
			must(t, err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := other.AcquireWithStaticToken(ctx, p.db, token, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Acquire: %v", err)
		}
		must(t, block.Rollback())
		for start := time.Now(); time.Since(start) < 500*time.Millisecond; time.Sleep(10 * time.Millisecond) {
			if p.free("k") {
				t.Fatal("the lock is free, and its holder was not told")
			}
		}
		must(t, holder.Extend(t.Context(), p.db))
	})
}

// Where commits are not durable by default: a crash of the server that undoes an acquisition or an extension
// makes two holders.
func TestHazard44_DistrlockWritesAreDurable(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		run(t, p.db, "CREATE TABLE settings (value text)")
		run(t, p.db, `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN INSERT INTO settings VALUES (current_setting('synchronous_commit')); RETURN NULL; END $$`)
		run(t, p.db, `CREATE TRIGGER note AFTER UPDATE ON distributed_locks FOR EACH ROW EXECUTE FUNCTION note()`)
		db := p.openWith("synchronous_commit=off")
		l := p.lock("k")
		must(t, l.Acquire(t.Context(), db, time.Minute))
		must(t, l.Extend(t.Context(), db))
		must(t, l.Release(t.Context(), db))
		if n := value[int](t, p.db, "SELECT count(*) FROM settings WHERE value = 'on'"); n != 3 {
			t.Errorf("%d of 3 writes were durable", n)
		}
	}, distrlock.DialectPostgres, distrlock.DialectPgx)
}

// A transaction that gives up while it waits for the row takes nothing.
func TestFix_CancelledAcquireInATransaction(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		other, l := p.lock("k"), p.lock("k")
		block, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		must(t, other.Acquire(t.Context(), block, time.Minute))
		tx, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := l.Acquire(ctx, tx, time.Hour); err == nil {
			t.Error("Acquire returned nil")
		}
		_ = tx.Rollback()
		must(t, block.Rollback())
		await(t, "the lock is free", func() bool { return p.free("k") })
	})
}

// What others than DoExclusively want is said of a row that is not there.
func TestFix_AMissingRowIsSaid(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		run(t, p.db, "DELETE FROM distributed_locks")
		if err := l.Acquire(t.Context(), p.db, time.Minute); !errors.Is(err, distrlock.ErrNoRow) {
			t.Errorf("Acquire without a row: %v", err)
		}
		must(t, p.lock("k").Acquire(t.Context(), p.db, time.Minute))
		if err := l.Acquire(t.Context(), p.db, time.Minute); err != distrlock.ErrLockAlreadyAcquired {
			t.Errorf("Acquire of what is held: %v", err)
		}
	})
}

// A transaction's snapshot is from before the row. That it is held is said, not that it is missing.
func TestFix_ARowNewerThanTheSnapshot(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		tx, err := p.db.BeginTx(t.Context(), nil)
		must(t, err)
		defer func() { _ = tx.Rollback() }()
		ask(t, tx, "SELECT count(*) FROM distributed_locks")
		must(t, p.lock("k").Acquire(t.Context(), p.db, time.Minute))
		l, err := p.locks().NewLock(t.Context(), tx, "k")
		must(t, err)
		if err := l.Acquire(t.Context(), tx, time.Minute); err != distrlock.ErrLockAlreadyAcquired {
			t.Errorf("Acquire of what is held: %v", err)
		}
	})
}

func TestFix_WrongValuesAreErrors(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for name, option := range map[string]distrlock.DoOption{
			"TTL": distrlock.WithLockTTL(-1), "interval": distrlock.WithPeriodicExtendInterval(-1), "release": distrlock.WithReleaseTimeout(-1),
		} {
			err := distrlock.DoExclusively(t.Context(), p.db, d, "k", func(context.Context) error { t.Error("called"); return nil }, option)
			if err == nil {
				t.Errorf("a negative %s is accepted", name)
			}
		}
		l := p.lock("k")
		for _, ttl := range []time.Duration{0, -time.Second} {
			if l.Acquire(t.Context(), p.db, ttl) == nil {
				t.Errorf("the TTL %v is accepted", ttl)
			}
		}
		if l.AcquireWithStaticToken(t.Context(), p.db, "", time.Minute) == nil {
			t.Error("an empty token is accepted")
		}
		if new(distrlock.DBLock).Acquire(t.Context(), p.db, time.Minute) == nil {
			t.Error("a DBLock that NewLock did not make acquires")
		}
		if !p.free("k") {
			t.Error("it was acquired")
		}
	}, distrlock.DialectPgx, distrlock.DialectMySQL)
}

// Two statements in one tick of the table's clock: both succeed.
func TestFix_ExtendsInOneTick(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		must(t, l.Acquire(t.Context(), p.db, time.Minute))
		conn, err := p.db.Conn(t.Context())
		must(t, err)
		defer conn.Close()
		if isMySQL(d) { // time stands still
			_, err := conn.ExecContext(t.Context(), "SET timestamp = UNIX_TIMESTAMP()")
			must(t, err)
		}
		for range 20 {
			must(t, l.Extend(t.Context(), conn))
			must(t, l.AcquireWithStaticToken(t.Context(), conn, l.Token(), time.Minute))
		}
	})
}

// Two transactions make the same row, and then acquire. One of them waits; none is a victim.
func TestFix_InsertThenAcquireDoesNotDeadlock(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, key := range []string{"new", "there"} {
			if key == "there" {
				p.lock(key)
			}
			results := make(chan error, 2)
			for range 2 {
				go func() { results <- insertAndAcquire(t.Context(), p, key) }()
			}
			for range 2 {
				if err := <-results; err != nil && err != distrlock.ErrLockAlreadyAcquired {
					t.Errorf("key %s: %v", key, err)
				}
			}
		}
	})
}

func insertAndAcquire(ctx context.Context, p *place, key string) error {
	tx, err := p.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	l, err := p.locks().NewLock(ctx, tx, key)
	if err != nil {
		return err
	}
	time.Sleep(300 * time.Millisecond) // both have said the first statement, if that does not wait
	if err := l.Acquire(ctx, tx, time.Minute); err != nil {
		return err
	}
	return tx.Commit()
}

// A lease of a hundred days is one.
func TestHazard30_DistrlockLongTTL(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		must(t, l.Acquire(t.Context(), p.db, 100*24*time.Hour))
		if p.free("k") {
			t.Error("it is free")
		}
		days := `SELECT extract(epoch FROM expire_at - localtimestamp) / 86400 FROM distributed_locks`
		if isMySQL(d) {
			days = `SELECT (expire_at / 10000 - UNIX_TIMESTAMP()) / 86400 FROM distributed_locks`
		}
		if got := value[float64](t, p.db, days); got < 99.9 || got > 100.1 {
			t.Errorf("the table has %.2f days", got)
		}
		must(t, l.Extend(t.Context(), p.db))
		must(t, l.Release(t.Context(), p.db))
	})
}

// The table's collation takes for one what differs in case, accents or spaces at the end. Keys that it merges are refused, and
// another's token is not ours.
func TestHazard38_DistrlockKeysAndTokensAreBytes(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newPlace(t, d)
		run(t, p.db, `CREATE TABLE distributed_locks (lock_key varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci PRIMARY KEY,
			token varchar(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, expire_at bigint)`)
		l := p.lock("straße")
		must(t, l.AcquireWithStaticToken(t.Context(), p.db, "token", time.Minute))
		for _, token := range []string{"TOKEN", "token ", "tökén"} {
			if err := p.lock("straße").AcquireWithStaticToken(t.Context(), p.db, token, time.Minute); err != distrlock.ErrLockAlreadyAcquired {
				t.Errorf("the token %q: %v", token, err)
			}
		}
		for _, key := range []string{"STRAßE", "straße ", "stråße"} {
			if err := p.lock(key).Acquire(t.Context(), p.db, time.Minute); !errors.Is(err, distrlock.ErrNoRow) {
				t.Errorf("the key %q: %v", key, err)
			}
		}
		must(t, l.Extend(t.Context(), p.db))
		must(t, l.Release(t.Context(), p.db))
	}, distrlock.DialectMySQL)
	t.Run("own table", func(t *testing.T) { // has a collation that merges less
		p := newTable(t, distrlock.DialectMySQL)
		must(t, p.lock("straße").Acquire(t.Context(), p.db, time.Minute))
		for _, key := range []string{"STRAßE", "stråße"} {
			must(t, p.lock(key).Acquire(t.Context(), p.db, time.Minute))
		}
	})
}

func TestHazard41_DistrlockTableNames(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"locks": true, "schema.locks": true, `"My Schema".locks`: true, "`my db`.locks": true, "größe": true,
		"": false, "locks; DROP TABLE x": false, "a b": false, `"a`: false, "a.b.c.d": false, "locks--": false, `"a"b"`: false,
	} {
		_, err := distrlock.NewDBManager(distrlock.DialectPgx, distrlock.WithTableName(name))
		if (err == nil) != ok {
			t.Errorf("the table name %q: %v", name, err)
		}
	}
}
