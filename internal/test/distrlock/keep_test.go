package distrlock_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

func TestKeep_TryOnlyNeverWaits(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		must(t, p.lock("k").Acquire(t.Context(), p.db, time.Minute))
		start := time.Now()
		if err := p.lock("k").Acquire(t.Context(), p.db, time.Minute); err != distrlock.ErrLockAlreadyAcquired {
			t.Errorf("Acquire of what is held: %v", err)
		}
		called := false
		err := distrlock.DoExclusively(t.Context(), p.db, d, "k", func(context.Context) error { called = true; return nil })
		if err != distrlock.ErrLockAlreadyAcquired || called {
			t.Errorf("DoExclusively of what is held: %v, called %v", err, called)
		}
		if took := time.Since(start); took > patience {
			t.Errorf("took %v", took)
		}
	})
}

// In a transaction, Acquire waits for another transaction's end, and then says what came of it.
func TestKeep_AcquireWaitsForAnUncommittedRow(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, commit := range []bool{true, false} {
			first, second := p.lock("k"), p.lock("k")
			one, err := p.db.BeginTx(t.Context(), nil)
			must(t, err)
			must(t, first.Acquire(t.Context(), one, time.Minute))
			two, err := p.db.BeginTx(t.Context(), nil)
			must(t, err)
			acquired := make(chan error, 1)
			go func() { acquired <- second.Acquire(t.Context(), two, time.Minute) }()
			select {
			case err := <-acquired:
				t.Fatalf("Acquire did not wait: %v", err)
			case <-time.After(200 * time.Millisecond):
			}
			want := error(nil)
			if commit {
				want = distrlock.ErrLockAlreadyAcquired
				must(t, one.Commit())
			} else {
				must(t, one.Rollback())
			}
			if err := <-acquired; err != want {
				t.Errorf("after commit %v: %v", commit, err)
			}
			must(t, two.Rollback())
			if commit {
				must(t, first.Release(t.Context(), p.db))
			}
		}
	})
}

func TestKeep_TheSameStaticTokenAcquiresAgain(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		const token = "0b2a9f0e-8a49-4f4b-9d9b-2f3a53c0b6a1"
		first, second := p.lock("k"), p.lock("k")
		must(t, first.AcquireWithStaticToken(t.Context(), p.db, token, time.Minute))
		must(t, second.AcquireWithStaticToken(t.Context(), p.db, token, 2*time.Minute))
		if p.free("k") {
			t.Error("it is free")
		}
		if err := p.lock("k").AcquireWithStaticToken(t.Context(), p.db, strings.Replace(token, "0b", "0c", 1), time.Minute); err != distrlock.ErrLockAlreadyAcquired {
			t.Errorf("under another token: %v", err)
		}
		must(t, second.Release(t.Context(), p.db))
		if err := first.Release(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("a second Release: %v", err)
		}
	})
}

// The end of a lease is that of the last Acquire or Extend.
func TestKeep_ExtendCountsFromNow(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		must(t, l.Acquire(t.Context(), p.db, time.Second))
		l.TTL = time.Hour
		must(t, l.Extend(t.Context(), p.db))
		time.Sleep(1500 * time.Millisecond)
		if p.free("k") {
			t.Error("it is free after the TTL of Acquire, which Extend replaced")
		}
		l.TTL = 300 * time.Millisecond
		must(t, l.Extend(t.Context(), p.db))
		await(t, "the lease is over", func() bool { return p.free("k") })
		if err := l.Extend(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("Extend after the end: %v", err)
		}
	})
}

func TestKeep_TokenIsEmptyBeforeTheFirstSuccess(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l, other := p.lock("k"), p.lock("k")
		must(t, l.Acquire(t.Context(), p.db, time.Minute))
		if other.Acquire(t.Context(), p.db, time.Minute) == nil || other.Token() != "" {
			t.Errorf("after a failure the token is %q", other.Token())
		}
		if err := other.Release(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("Release of what was not acquired: %v", err)
		}
		if err := other.Extend(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("Extend of what was not acquired: %v", err)
		}
		column := "token::text"
		if isMySQL(d) {
			column = "token"
		}
		if got := value[string](t, p.db, "SELECT "+column+" FROM distributed_locks"); got != l.Token() {
			t.Errorf("Token is %q, and the table has %q", l.Token(), got)
		}
	})
}

// A DBLock is a value: a copy has what it was copied with.
func TestKeep_CopiesAreLocks(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		must(t, l.Acquire(t.Context(), p.db, time.Minute))
		other := *l
		if other.Key != "k" || other.TTL != time.Minute || other.Token() != l.Token() {
			t.Errorf("%+v", other)
		}
		must(t, other.Extend(t.Context(), p.db))
		must(t, other.Release(t.Context(), p.db))
		if err := l.Release(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("Release after that of a copy: %v", err)
		}
	}, distrlock.DialectPgx, distrlock.DialectMySQL)
}

func TestKeep_TheFunctionsErrorIsReturnedAsItIs(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, want := range []error{nil, errors.New("of the function")} {
			held := false
			got := distrlock.DoExclusively(t.Context(), p.db, d, "k", func(ctx context.Context) error {
				held = !p.free("k") && ctx.Err() == nil
				return want
			})
			if got != want || !held {
				t.Errorf("returned %v, not %v; held %v", got, want, held)
			}
			if !p.free("k") {
				t.Error("it was not released")
			}
		}
	})
}

// An interval longer than the TTL is no error, and zeros are the defaults.
func TestKeep_OptionsOfEverySize(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, options := range [][]distrlock.DoOption{
			{distrlock.WithLockTTL(time.Second), distrlock.WithPeriodicExtendInterval(time.Hour)},
			{distrlock.WithLockTTL(0), distrlock.WithPeriodicExtendInterval(0), distrlock.WithReleaseTimeout(0), distrlock.WithLogger(nil)},
		} {
			must(t, distrlock.DoExclusively(t.Context(), p.db, d, "k", func(context.Context) error { return nil }, options...))
		}
	}, distrlock.DialectPgx, distrlock.DialectMySQL)
}

func TestKeep_CancellationReachesTheFunction(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		ctx, cancel := context.WithCancel(t.Context())
		err := distrlock.DoExclusively(ctx, p.db, d, "k", func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		})
		if err != context.Canceled {
			t.Errorf("returned %v", err)
		}
		if !p.free("k") {
			t.Error("it was not released")
		}
	})
}

// theirDialect is a string type of another package.
type theirDialect string

func TestKeep_DialectsOfAnyStringType(t *testing.T) {
	t.Parallel()
	for _, d := range []theirDialect{"postgres", "pgx", "mysql"} {
		if _, err := distrlock.NewDBManager(d); err != nil {
			t.Error(err)
		}
		if text, err := distrlock.CreateTableSQL(d); err != nil || !strings.Contains(text, "distributed_locks") {
			t.Errorf("%q, %v", text, err)
		}
		if text, err := distrlock.DropTableSQL(d); err != nil || !strings.Contains(text, "distributed_locks") {
			t.Errorf("%q, %v", text, err)
		}
	}
	if _, err := distrlock.NewDBManager(theirDialect("sqlite")); err == nil {
		t.Error("an unknown dialect is accepted")
	}
}

// The statements for the table can be repeated, and a qualified name is a name.
func TestKeep_SchemaIsIdempotent(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newPlace(t, d)
		m, err := distrlock.NewDBManager(d, distrlock.WithTableName(p.name+".jobs"))
		must(t, err)
		for range 2 {
			run(t, p.db, m.CreateTableSQL())
		}
		l, err := m.NewLock(t.Context(), p.db, "k")
		must(t, err)
		must(t, l.Acquire(t.Context(), p.db, time.Minute))
		for range 2 {
			run(t, p.db, m.DropTableSQL())
		}
		for _, step := range m.Migrations() {
			if step.ID() == "" {
				t.Error("a migration without an id")
			}
			for _, text := range append(append(step.UpSQL(), step.UpSQL()...), step.DownSQL()...) {
				run(t, p.db, text)
			}
		}
	})
}

func TestKeep_KeysOf1To40Bytes(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, key := range []string{"", strings.Repeat("x", 41), "a\x00b", "a\xffb"} {
			if _, err := p.locks().NewLock(t.Context(), p.db, key); err == nil {
				t.Errorf("the key %q is accepted", key)
			}
		}
		for _, key := range []string{"x", strings.Repeat("x", 40), "schlüssel 🔑 '; --"} {
			if !p.free(key) {
				t.Errorf("the key %q cannot be acquired", key)
			}
		}
	})
}

// The drivers send statements in several ways.
func TestKeep_EveryModeOfTheDrivers(t *testing.T) {
	t.Parallel()
	for setting, d := range map[string]distrlock.Dialect{
		"default_query_exec_mode=simple_protocol": distrlock.DialectPgx,
		"default_query_exec_mode=exec":            distrlock.DialectPgx,
		"default_query_exec_mode=cache_describe":  distrlock.DialectPgx,
		"binary_parameters=yes":                   distrlock.DialectPostgres,
		"interpolateParams=true":                  distrlock.DialectMySQL,
		"clientFoundRows=true":                    distrlock.DialectMySQL,
	} {
		p := newTable(t, d)
		db := p.openWith(setting)
		l := p.lock("k")
		for range 2 {
			must(t, l.Acquire(t.Context(), db, time.Minute))
			must(t, l.Extend(t.Context(), db))
			if err := p.lock("k").Acquire(t.Context(), db, time.Minute); err != distrlock.ErrLockAlreadyAcquired {
				t.Errorf("%s: Acquire of what is held: %v", setting, err)
			}
			must(t, l.Release(t.Context(), db))
			if err := l.Release(t.Context(), db); err != distrlock.ErrLockAlreadyReleased {
				t.Errorf("%s: Release of what is not held: %v", setting, err)
			}
		}
	}
}

// No error has a statement, a token or a password in it.
func TestHazard42_DistrlockErrorsKeepSecrets(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		l := p.lock("k")
		must(t, l.Acquire(t.Context(), p.db, time.Minute))
		run(t, p.db, p.locks().DropTableSQL())
		nowhere := p.openAs("somebody", "secret-word", "127.0.0.1:1")
		for _, db := range []*sql.DB{p.db, nowhere} {
			_, made := p.locks().NewLock(t.Context(), db, "k")
			for _, err := range []error{
				made, l.Extend(t.Context(), db), l.Release(t.Context(), db), l.Acquire(t.Context(), db, time.Minute),
				distrlock.DoExclusively(t.Context(), db, d, "k", func(context.Context) error { return nil }),
			} {
				if err == nil {
					t.Fatal("no error")
				}
				for _, secret := range []string{"secret-word", l.Token(), "SELECT", "UPDATE", "INSERT"} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the error has %s in it: %v", secret, err)
					}
				}
			}
		}
	})
}

// execer has ExecContext alone.
type execer struct{ db *sql.DB }

func (e execer) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	return e.db.ExecContext(ctx, query, args...)
}

func TestKeep_ExecContextIsEnough(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		conn, err := p.db.Conn(t.Context())
		must(t, err)
		defer conn.Close()
		for _, e := range []distrlock.SQLExecutor{execer{p.db}, conn} {
			l, err := p.locks().NewLock(t.Context(), e, "k")
			must(t, err)
			must(t, l.Acquire(t.Context(), e, time.Minute))
			if err := p.lock("k").Acquire(t.Context(), e, time.Minute); err != distrlock.ErrLockAlreadyAcquired {
				t.Errorf("Acquire of what is held: %v", err)
			}
			must(t, l.Extend(t.Context(), e))
			must(t, l.Release(t.Context(), e))
		}
	})
}
