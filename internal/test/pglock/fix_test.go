package pglock_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

func TestFix_ThePoolStaysOpen(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		_, err := pglock.New(db.DB, pglock.WithLeaseDuration(time.Second), pglock.WithHeartbeatFrequency(time.Second))
		if !errors.Is(err, pglock.ErrDurationTooSmall) {
			t.Errorf("New: %v", err)
		}
		must(t, db.PingContext(t.Context()))
	})
}

func TestFix_HandOverIsPrompt(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		a, b := newClient(t, db.DB, defaults()...), newClient(t, db.pool(), defaults()...)
		l := acquire(t, a, "a")
		start := time.Now()
		released := make(chan time.Time, 1)
		time.AfterFunc(200*time.Millisecond, func() {
			released <- time.Now()
			_ = l.Close()
		})
		other := acquire(t, b, "a")
		if took := time.Since(<-released); took > 5*time.Second {
			t.Errorf("the lock passed on %v after the release", took)
		}
		if took := time.Since(start); took < 200*time.Millisecond {
			t.Errorf("it was acquired after %v, before the release", took)
		}
		must(t, other.Close())
	})
}

// defaults undoes what newClient sets.
func defaults() []pglock.ClientOption {
	return []pglock.ClientOption{pglock.WithLeaseDuration(pglock.DefaultLeaseDuration), pglock.WithHeartbeatFrequency(pglock.DefaultHeartbeatFrequency)}
}

func TestFix_TryTakesOverADeadHolder(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		_, err := db.Exec("INSERT INTO locks VALUES ('a', nextval('locks_rvn'), 'old', 'dead')")
		must(t, err)
		c, start := db.client(brief(nil)...), time.Now()
		for {
			l, err := c.Acquire("a", pglock.FailIfLocked())
			if err == nil {
				must(t, l.Close())
				break
			}
			if !errors.Is(err, pglock.ErrNotAcquired) || time.Since(start) > 20*shortLease {
				t.Fatalf("after %v: %v", time.Since(start), err)
			}
			time.Sleep(shortLease / 10)
		}
		if took := time.Since(start); took < shortLease {
			t.Errorf("it was taken over after %v", took)
		}
	})
}

func TestFix_AFailedTryReturnsNoLock(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		holder := acquire(t, db.client(), "a")
		l, err := db.client().Acquire("a", pglock.FailIfLocked())
		if l != nil || !errors.Is(err, pglock.ErrNotAcquired) {
			t.Fatalf("the try returned %v, %v", l, err)
		}
		if err := l.Close(); !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("Close of it: %v", err)
		}
		read, err := db.client().Get("a")
		must(t, err)
		if err := read.Close(); !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("Close of a lock that was only read: %v", err)
		}
		if _, ok := db.rvn("a"); !ok {
			t.Error("it deleted the holder's row")
		}
		must(t, holder.Close())
	})
}

// slow makes every update of a row take so many seconds, after the row has been locked.
func (db *database) slow(seconds string) {
	db.t.Helper()
	for _, statement := range []string{
		`CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(` + seconds + `); RETURN new; END $$`,
		`CREATE TRIGGER slow BEFORE UPDATE ON locks FOR EACH ROW EXECUTE FUNCTION slow()`,
	} {
		_, err := db.Exec(statement)
		must(db.t, err)
	}
}

func TestFix_CloseDuringAHeartbeat(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		db.slow("0.05") // the release finds the row locked by the heartbeat, and waits for it
		c := db.client()
		for i := range 10 {
			l := acquire(t, c, "a")
			sent := make(chan error, 1)
			go func() { sent <- c.SendHeartbeat(t.Context(), l) }()
			time.Sleep(time.Duration(i) * 5 * time.Millisecond)
			must(t, l.Close())
			<-sent
			if n := db.rows(); n != 0 {
				t.Fatalf("%d rows are left", n)
			}
		}
	})
}

func TestFix_ALostReplyToAHeartbeat(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		p := db.through()
		c := newClient(t, p.DB)
		l := acquire(t, c, "a")
		db.slow("0.3")
		before := l.RecordVersionNumber()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		sent := make(chan error, 1)
		go func() { sent <- c.SendHeartbeat(ctx, l) }()
		eventually(t, "the heartbeat has locked the row", func() bool {
			return db.QueryRow("SELECT FROM locks FOR UPDATE SKIP LOCKED").Scan() == sql.ErrNoRows
		})
		p.down.set(true)
		eventually(t, "it has arrived", func() bool {
			rvn, _ := db.rvn("a")
			return rvn.Int64 != before
		})
		p.reset()
		p.down.set(false)
		if err := <-sent; err == nil {
			t.Error("a heartbeat succeeded without a reply")
		}
		must(t, c.SendHeartbeat(t.Context(), l))
		time.Sleep(longLease)
		if l.IsReleased() {
			t.Error("the lock was lost")
		}
		must(t, l.Close())
	})
}

// TestFix_ALostReplyToAnAcquisition: the connection ends when the row is taken, and the client
// finds that it has it.
func TestFix_ALostReplyToAnAcquisition(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		p := db.through()
		c := newClient(t, p.DB, defaults()...)
		must(t, acquire(t, c, "a", pglock.KeepOnRelease()).Close())
		db.slow("0.3")
		start, got := time.Now(), acquiring(t, c, "a")
		eventually(t, "the statement has locked the row", func() bool {
			return db.QueryRow("SELECT FROM locks FOR UPDATE SKIP LOCKED").Scan() == sql.ErrNoRows
		})
		p.down.set(true)
		eventually(t, "the row is taken", func() bool {
			rvn, _ := db.rvn("a")
			return rvn.Valid
		})
		p.reset()
		p.down.set(false)
		l := <-got
		if took := time.Since(start); took > pglock.DefaultLeaseDuration*3/4 {
			t.Errorf("the client took %v to find that it has the row", took)
		}
		must(t, l.Close())
		if n := db.rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestFix_OneTransientError(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		l := acquire(t, db.client(pglock.WithHeartbeatFrequency(longLease/20)), "a")
		for range 20 {
			_, _ = db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND query LIKE '%' || current_schema || '%' OR pid IN (SELECT pid FROM pg_locks WHERE relation = 'locks'::regclass)`)
			db.SetMaxIdleConns(0) // every connection ends
			db.SetMaxIdleConns(40)
			time.Sleep(longLease / 10)
		}
		if l.IsReleased() {
			t.Error("the lock was lost")
		}
		must(t, l.Close())
	})
}

func TestFix_BlackHole(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		p := db.through()
		cut := make(chan time.Time, 1)
		c := newClient(t, p.DB, brief(nil)...)
		err := c.Do(t.Context(), "a", func(ctx context.Context, l *pglock.Lock) error {
			p.hole(true)
			cut <- time.Now()
			if err := c.SendHeartbeat(context.WithoutCancel(ctx), l); err == nil {
				t.Error("a heartbeat succeeded")
			}
			other := acquiring(t, db.client(brief(nil)...), "a")
			select {
			case <-ctx.Done():
			case <-other:
				t.Error("another was granted the lock before the holder was told")
				return nil
			}
			if took := time.Since(<-cut); took > 5*shortLease {
				t.Errorf("the function was told after %v", took)
			}
			return errors.Join(context.Cause(ctx), (<-other).Close())
		})
		if err == nil || !errors.Is(err, context.Canceled) && err.Error() == "" {
			t.Errorf("Do returned %v", err)
		}
	})
}

func TestFix_TheAcquireContextBoundsTheAcquisitionOnly(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := db.client(brief(nil)...).AcquireContext(ctx, "a")
		must(t, err)
		cancel()
		time.Sleep(3 * shortLease)
		if l.IsReleased() {
			t.Error("the lock was lost")
		}
		must(t, l.Close())
	})
}

func TestFix_GetLocksNothing(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		defer acquire(t, db.client(), "a", pglock.WithData([]byte("x"))).Close()
		tx, err := db.Begin()
		must(t, err)
		defer tx.Rollback()
		_, err = tx.Exec("SELECT * FROM locks FOR UPDATE")
		must(t, err)
		u := *db.url // as on a read-only replica
		query := u.Query()
		query.Set("default_transaction_read_only", "on")
		u.RawQuery = query.Encode()
		reader := db.open(&u)
		defer reader.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		data, err := newClient(t, reader).GetDataContext(ctx, "a")
		if string(data) != "x" || err != nil {
			t.Errorf("the data: %q, %v", data, err)
		}
	})
}

func TestFix_WaitingWritesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		_, err := db.Exec("INSERT INTO locks VALUES ('a', nextval('locks_rvn'), NULL, 'old')")
		must(t, err)
		version := func() (v string) {
			must(t, db.QueryRow("SELECT xmin::text || ',' || xmax::text || ctid::text FROM locks WHERE name = 'a'").Scan(&v))
			return v
		}
		before := version()
		ctx, cancel := context.WithTimeout(t.Context(), longLease/4)
		defer cancel()
		c := db.client()
		if _, err := c.AcquireContext(ctx, "a"); !errors.Is(err, pglock.ErrNotAcquired) {
			t.Errorf("the wait: %v", err)
		}
		if _, err := c.Acquire("a", pglock.FailIfLocked()); !errors.Is(err, pglock.ErrNotAcquired) {
			t.Errorf("the try: %v", err)
		}
		if after := version(); after != before {
			t.Errorf("the row was written: %s became %s", before, after)
		}
	})
}

func TestFix_ACancelledAcquireLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		p := db.through()
		c := newClient(t, p.DB)
		must(t, acquire(t, c, "other").Close())
		for _, late := range []*valve{p.up, p.down} {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			late.set(true)
			l, err := c.AcquireContext(ctx, "a")
			cancel()
			if l != nil || !errors.Is(err, pglock.ErrNotAcquired) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatalf("AcquireContext: %v, %v", l, err)
			}
			late.set(false) // the statement arrives
			quiet := time.Now()
			eventually(t, "no row is left", func() bool {
				if db.rows() != 0 {
					quiet = time.Now()
				}
				return time.Since(quiet) > 300*time.Millisecond
			})
		}
		must(t, acquire(t, c, "a").Close())
	})
}

func TestFix_IsReleasedDoesNotBlock(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		p := db.through()
		c := newClient(t, p.DB)
		l := acquire(t, c, "a")
		p.hole(true)
		ctx, cancel := context.WithCancel(t.Context())
		sent := make(chan error, 1)
		go func() { sent <- c.SendHeartbeat(ctx, l) }()
		for range 100 {
			start := time.Now()
			if l.IsReleased() {
				t.Fatal("it is released")
			}
			l.RecordVersionNumber()
			l.Data()
			if took := time.Since(start); took > 10*time.Second {
				t.Fatalf("it took %v", took)
			}
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-sent
		p.hole(false)
		must(t, l.Close())
	})
}

func TestFix_OneStatementPerAcquire(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		pool := db.counting()
		c, err := pglock.UnsafeNew(pool.DB, pglock.WithLeaseDuration(longLease), pglock.WithHeartbeatFrequency(longLease/2))
		must(t, err)
		must(t, acquire(t, c, "first").Close())
		pool.take("")
		l := acquire(t, c, "a", pglock.WithData([]byte("x")), pglock.ReplaceData(), pglock.KeepOnRelease())
		if n := pool.take(""); n != 1 {
			t.Errorf("an acquisition took %d statements", n)
		}
		must(t, l.Close())
		if n := pool.take(""); n != 1 {
			t.Errorf("a release took %d statements", n)
		}
	})
}

func TestFix_APgxPoolIsAccepted(t *testing.T) {
	t.Parallel()
	if !slices.Contains(drivers, "pgx") {
		t.Fatal("pgx is not tested")
	}
	db, err := sql.Open("pgx", "postgres://127.0.0.1:1/nowhere")
	must(t, err)
	defer db.Close()
	if _, err := pglock.New(db); err != nil {
		t.Errorf("New over pgx: %v", err)
	}
}

func TestFix_OneStalledRowCostsOneLock(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client()
		stalled, other := acquire(t, c, "a"), acquire(t, c, "b")
		tx, err := db.Begin()
		must(t, err)
		defer tx.Rollback()
		_, err = tx.Exec("SELECT * FROM locks WHERE name = 'a' FOR UPDATE")
		must(t, err)
		eventually(t, "the one is lost", stalled.IsReleased)
		eventually(t, "the other is renewed", func() bool { return c.SendHeartbeat(t.Context(), other) == nil })
		time.Sleep(longLease)
		if other.IsReleased() {
			t.Error("a row that somebody keeps locked cost the lock of another")
		}
		must(t, other.Close())
		must(t, tx.Rollback())
		if err := stalled.Close(); !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("Close after the loss: %v", err)
		}
		eventually(t, "the row is freed", func() bool { return db.rows() == 0 })
	})
}

// TestFix_WritesAreDurable: where commits are not by default. A crash that undoes a grant makes
// two holders, and so does one that undoes a heartbeat: others count from the one before.
func TestFix_WritesAreDurable(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		for _, statement := range []string{
			`CREATE TABLE settings (operation text, value text)`,
			`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
				$$ BEGIN INSERT INTO settings VALUES (TG_OP, current_setting('synchronous_commit')); RETURN NULL; END $$`,
			`CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON locks FOR EACH ROW EXECUTE FUNCTION note()`,
		} {
			_, err := db.Exec(statement)
			must(t, err)
		}
		u := *db.url
		query := u.Query()
		query.Set("synchronous_commit", "off")
		u.RawQuery = query.Encode()
		pool := db.open(&u)
		defer pool.Close()
		c := newClient(t, pool)
		for _, opts := range [][]pglock.LockOption{nil, {pglock.KeepOnRelease()}} {
			l := acquire(t, c, "a", opts...)
			must(t, c.SendHeartbeat(t.Context(), l))
			must(t, l.Close())
		}
		var written, durable int
		must(t, db.QueryRow(`SELECT count(*), count(*) FILTER (WHERE value = 'on') FROM settings`).Scan(&written, &durable))
		if written < 6 || durable != written {
			t.Errorf("%d of %d writes were durable", durable, written)
		}
	})
}

// TestFix_WaitersShareOneStatement: whoever waits in one client is polled for together.
func TestFix_WaitersShareOneStatement(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		holder := db.client()
		pool := db.counting()
		c, err := pglock.UnsafeNew(pool.DB, defaults()...)
		must(t, err)
		const names = 20
		var locks []*pglock.Lock
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Int32
		for i := range names {
			name := string(rune('a' + i))
			locks = append(locks, acquire(t, holder, name))
			go func() {
				_, _ = c.AcquireContext(ctx, name)
				ended.Add(1)
			}()
		}
		time.Sleep(2 * time.Second)
		pool.take("")
		time.Sleep(time.Second)
		if n := pool.take(""); n > 150 {
			t.Errorf("%d waiters sent %d statements in a second", names, n)
		} else {
			t.Logf("%d waiters sent %d statements in the third second", names, n)
		}
		cancel()
		eventually(t, "all have returned", func() bool { return ended.Load() == names })
		for _, l := range locks {
			must(t, l.Close())
		}
	})
}
