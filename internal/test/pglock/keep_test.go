package pglock_test

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

func TestKeep_OnlyPostgreSQL(t *testing.T) {
	t.Parallel()
	for _, name := range drivers {
		db, err := sql.Open(name, "postgres://127.0.0.1:1/nowhere")
		must(t, err)
		_, err = pglock.New(db)
		must(t, err) // it does no I/O
		must(t, db.Close())
	}
	strange := sql.OpenDB(&connector{})
	defer strange.Close()
	for _, db := range []*sql.DB{nil, strange} {
		if _, err := pglock.New(db, pglock.WithLeaseDuration(1)); err != pglock.ErrNotPostgreSQLDriver {
			t.Errorf("New of %v: %v", db, err)
		}
	}
	if _, err := pglock.UnsafeNew(nil); err != pglock.ErrNotPostgreSQLDriver {
		t.Errorf("UnsafeNew of nil: %v", err)
	}
	if _, err := pglock.UnsafeNew(strange); err != nil {
		t.Errorf("UnsafeNew of a strange driver: %v", err)
	}
}

func TestKeep_DurationTooSmall(t *testing.T) {
	t.Parallel()
	db, err := sql.Open("postgres", "postgres://127.0.0.1:1/nowhere")
	must(t, err)
	defer db.Close()
	for _, c := range []struct {
		lease, heartbeat time.Duration
		wrong            bool
	}{
		{2*time.Second - 1, time.Second, true},
		{2 * time.Second, time.Second, false},
		{time.Second, 1, false},
		{time.Second, 0, false},
		{time.Second, -1, false},
	} {
		_, err := pglock.New(db, pglock.WithLeaseDuration(c.lease), pglock.WithHeartbeatFrequency(c.heartbeat))
		if errors.Is(err, pglock.ErrDurationTooSmall) != c.wrong {
			t.Errorf("a lease of %v with a heartbeat of %v: %v", c.lease, c.heartbeat, err)
		}
	}
}

func TestKeep_Tables(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client()
		if err := c.CreateTable(); err == nil {
			t.Error("the table was created twice")
		}
		must(t, c.TryCreateTable())
		must(t, c.DropTable())
		must(t, c.TryCreateTable())
		must(t, acquire(t, c, "a").Close())
	})
}

func TestKeep_CustomTable(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		schema := db.url.Query().Get("search_path")
		c := db.client(pglock.WithCustomTable(schema + ".Other_Locks"))
		must(t, c.CreateTable())
		must(t, acquire(t, c, "a", pglock.KeepOnRelease()).Close())
		var n int
		must(t, db.QueryRow("SELECT count(*) FROM other_locks").Scan(&n))
		if n != 1 {
			t.Errorf("the custom table has %d rows", n)
		}
		for _, name := range []string{"", "a b", "a;b", `a"`, "a.b.c", "a--", "1a", "a'", "a)"} {
			if _, err := pglock.New(db.DB, pglock.WithCustomTable(name)); err == nil {
				t.Errorf("a table of the name %q was accepted", name)
			}
		}
	})
}

func TestKeep_CancelledContext(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l, err := db.client().AcquireContext(ctx, "a")
		if l != nil || !errors.Is(err, pglock.ErrNotAcquired) || !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that had ended: %v, %v", l, err)
		}
	})
}

func TestKeep_CancelledWait(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		holder := acquire(t, db.client(), "a")
		defer holder.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		l, err := db.client().AcquireContext(ctx, "a")
		if l != nil || !errors.Is(err, pglock.ErrNotAcquired) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a wait that was cancelled: %v, %v", l, err)
		}
		if holder.IsReleased() {
			t.Error("it cost the holder the lock")
		}
	})
}

func TestKeep_ClosedTwice(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client()
		first := acquire(t, c, "a")
		must(t, first.Close())
		second := acquire(t, c, "a")
		if err := first.Close(); err != nil && !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("the second Close: %v", err)
		}
		if rvn, ok := db.rvn("a"); !ok || !rvn.Valid || second.IsReleased() {
			t.Error("the second Close took the next holder's lock away")
		}
		must(t, second.Close())
	})
}

func TestKeep_DoReturnsTheFunctionsError(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c, wanted := db.client(), errors.New("wanted")
		err := c.Do(t.Context(), "a", func(ctx context.Context, l *pglock.Lock) error {
			if ctx.Err() != nil || l.IsReleased() {
				t.Errorf("the function runs with %v, %v", ctx.Err(), l.IsReleased())
			}
			return wanted
		})
		if err != wanted {
			t.Errorf("Do returned %v", err)
		}
		func() {
			defer func() { _ = recover() }()
			_ = c.Do(t.Context(), "a", func(context.Context, *pglock.Lock) error { panic("on purpose") })
		}()
		if n := db.rows(); n != 0 {
			t.Errorf("%d rows are left", n)
		}
	})
}

func TestKeep_DoEndsWithTheLock(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client(brief(nil)...)
		err := c.Do(t.Context(), "a", func(ctx context.Context, l *pglock.Lock) error {
			_, err := db.Exec("DELETE FROM locks")
			must(t, err)
			<-ctx.Done()
			if !l.IsReleased() {
				t.Error("IsReleased is false after the loss")
			}
			return nil
		})
		if !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("Do after a loss: %v", err)
		}
	})
}

func TestKeep_GetUnknown(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client()
		_, err := c.Get("a")
		_, dataErr := c.GetData("a")
		for _, err := range []error{err, dataErr} {
			var missing *pglock.NotExistError
			if !errors.Is(err, pglock.ErrLockNotFound) || !errors.As(err, &missing) || missing.Unwrap() == nil {
				t.Errorf("of a name that is not there: %v", err)
			}
		}
	})
}

func TestKeep_Rows(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client(pglock.WithOwner("somebody"))
		a := acquire(t, c, "a", pglock.WithData([]byte("one")), pglock.KeepOnRelease())
		b := acquire(t, c, "b")
		defer b.Close()
		if string(a.Data()) != "one" || a.Owner() != "somebody" {
			t.Errorf("acquired with %q by %q", a.Data(), a.Owner())
		}
		got, err := c.Get("a")
		must(t, err)
		if string(got.Data()) != "one" || got.Owner() != "somebody" || got.IsReleased() || got.RecordVersionNumber() != a.RecordVersionNumber() {
			t.Errorf("Get: %q, %q, %v, %d", got.Data(), got.Owner(), got.IsReleased(), got.RecordVersionNumber())
		}
		all, err := c.GetAllLocks()
		must(t, err)
		if len(all) != 2 || all[0].Name() != "a" || string(all[0].Data()) != "one" || all[0].Owner() != "somebody" || all[1].Name() != "b" || all[1].Data() != nil {
			t.Errorf("all: %v", all)
		}
		must(t, a.Close())
		if rvn, ok := db.rvn("a"); !ok || rvn.Valid {
			t.Errorf("the row was not kept free: %v, %v", rvn, ok)
		}
		a = acquire(t, c, "a", pglock.WithData([]byte("two")), pglock.KeepOnRelease())
		if string(a.Data()) != "one" {
			t.Errorf("without ReplaceData: %q", a.Data())
		}
		must(t, a.Close())
		a = acquire(t, c, "a", pglock.WithData([]byte("three")), pglock.ReplaceData())
		if data, err := c.GetData("a"); string(data) != "three" || string(a.Data()) != "three" || err != nil {
			t.Errorf("with ReplaceData: %q, %q, %v", data, a.Data(), err)
		}
		must(t, a.Close())
		if _, ok := db.rvn("a"); ok {
			t.Error("the row was kept though nobody asked for it")
		}
	})
}

func TestKeep_RecordVersionNumberChanges(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		// 1 ns is accepted, and means often.
		l := acquire(t, db.client(pglock.WithHeartbeatFrequency(1)), "a")
		defer l.Close()
		for range 3 {
			before := l.RecordVersionNumber()
			eventually(t, "another number", func() bool { return l.RecordVersionNumber() != before })
		}
	})
}

func TestKeep_SendHeartbeat(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client()
		l := acquire(t, c, "a")
		before := l.RecordVersionNumber()
		must(t, c.SendHeartbeat(t.Context(), l))
		if rvn, _ := db.rvn("a"); rvn.Int64 == before || rvn.Int64 != l.RecordVersionNumber() {
			t.Errorf("%d became %d, and the row has %d", before, l.RecordVersionNumber(), rvn.Int64)
		}
		must(t, l.Close())
		if err := c.SendHeartbeat(t.Context(), l); !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("after the release: %v", err)
		}
	})
}

func TestKeep_NumbersWrap(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		_, err := db.Exec("SELECT setval('locks_rvn', $1)", int64(math.MaxInt64-2))
		must(t, err)
		c := db.client()
		l := acquire(t, c, "a")
		for range 6 {
			must(t, c.SendHeartbeat(t.Context(), l))
		}
		if rvn, _ := db.rvn("a"); rvn.Int64 > 100 || l.IsReleased() {
			t.Errorf("after the largest number: %d, released: %v", rvn.Int64, l.IsReleased())
		}
		must(t, l.Close())
	})
}

func TestKeep_HeartbeatsOff(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client(pglock.WithLeaseDuration(shortLease), pglock.WithHeartbeatFrequency(0))
		l := acquire(t, c, "a")
		start := time.Now()
		for time.Since(start) < 2*shortLease {
			must(t, c.SendHeartbeat(t.Context(), l))
			time.Sleep(shortLease / 10)
		}
		if l.IsReleased() {
			t.Fatal("it was lost in spite of the heartbeats")
		}
		before, _ := db.rvn("a")
		other := acquire(t, db.client(brief(nil)...), "a")
		defer other.Close()
		if !l.IsReleased() || before.Int64 == other.RecordVersionNumber() {
			t.Error("another holds it and it is not released")
		}
		if err := c.SendHeartbeat(t.Context(), l); !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("a heartbeat after the loss: %v", err)
		}
	})
}

func TestKeep_HeartbeatContext(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		beats, cancel := context.WithCancel(t.Context())
		c := db.client(brief(nil)...)
		l := acquire(t, c, "a", pglock.WithCustomHeartbeatContext(beats))
		cancel()
		ended := time.Now()
		eventually(t, "it ends", l.IsReleased)
		if took := time.Since(ended); took < shortLease/2 {
			t.Errorf("it ended %v after its heartbeats", took)
		}
		must(t, acquire(t, db.client(brief(nil)...), "a").Close())
	})
}

func TestKeep_DoContextEndsHeartbeats(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		ctx, cancel := context.WithCancel(t.Context())
		err := db.client(brief(nil)...).Do(ctx, "a", func(ctx context.Context, l *pglock.Lock) error {
			cancel()
			<-ctx.Done()
			other := acquire(t, db.client(brief(nil)...), "a") // though this function has not returned
			return other.Close()
		})
		if err != nil && !errors.Is(err, pglock.ErrLockAlreadyReleased) {
			t.Errorf("Do: %v", err)
		}
	})
}

// TestKeep_CustomHeartbeatContextOfDo: it replaces the context given to Do, whose end then only
// reaches the function.
func TestKeep_CustomHeartbeatContextOfDo(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		ctx, cancel := context.WithCancel(t.Context())
		err := db.client(brief(nil)...).Do(ctx, "a", func(ctx context.Context, l *pglock.Lock) error {
			cancel()
			<-ctx.Done()
			time.Sleep(2 * shortLease)
			if l.IsReleased() {
				t.Error("it was lost though its heartbeats should go on")
			}
			return nil
		}, pglock.WithCustomHeartbeatContext(t.Context()))
		must(t, err)
	})
}

// TestHazard42_PglockErrorsKeepSecrets: no error has a statement or a password in it.
func TestHazard42_PglockErrorsKeepSecrets(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		u := *db.url
		u.Host, u.User = "127.0.0.1:1", url.UserPassword("somebody", "secret-word")
		nowhere := db.open(&u)
		defer nowhere.Close()
		for _, c := range []*pglock.Client{newClient(t, nowhere, brief(nil)...), db.client(pglock.WithCustomTable("nothing"))} {
			_, acquired := c.Acquire("a", pglock.WithData([]byte("secret-word")))
			_, got := c.Get("a")
			for _, err := range []error{acquired, got, c.DropTable()} {
				if err == nil || strings.Contains(err.Error(), "secret-word") || strings.Contains(err.Error(), "SELECT") || strings.Contains(err.Error(), "DROP") {
					t.Errorf("the error: %v", err)
				}
			}
		}
	})
}

func TestKeep_Errors(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		var other *pglock.OtherError
		if _, err := db.client(pglock.WithCustomTable("nothing")).Acquire("a"); !errors.As(err, &other) || other.Unwrap() == nil {
			t.Errorf("without a table: %v", err)
		}
		if _, err := db.client().Acquire(strings.Repeat("a", 256)); !errors.As(err, &other) {
			t.Errorf("a name that is too long: %v", err)
		}
		fail := `CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'x' USING ERRCODE = '40001'; END $$;`
		for _, statement := range []string{fail, `CREATE TRIGGER fail BEFORE INSERT ON locks FOR EACH ROW EXECUTE FUNCTION fail()`} {
			_, err := db.Exec(statement)
			must(t, err)
		}
		var precondition *pglock.FailedPreconditionError
		if _, err := db.client().Acquire("a"); !errors.As(err, &precondition) || precondition.Unwrap() == nil {
			t.Errorf("a statement that cannot be serialized: %v", err)
		}
		p := db.through()
		p.listen.Close()
		var unavailable *pglock.UnavailableError
		absent := newClient(t, p.DB, brief(nil)...)
		if _, err := absent.Get("a"); !errors.As(err, &unavailable) || unavailable.Unwrap() == nil {
			t.Errorf("without a server: %v", err)
		}
		start := time.Now()
		if _, err := absent.Acquire("a"); !errors.As(err, &unavailable) || time.Since(start) < shortLease {
			t.Errorf("an acquisition without a server, after %v: %v", time.Since(start), err)
		}
	})
}
