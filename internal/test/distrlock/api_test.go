package distrlock_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

// What the original exports, with its types: this compiles, or a program that uses it does
// not.
var (
	_ func(theirDialect, ...distrlock.DBManagerOption) (*distrlock.DBManager, error) = distrlock.NewDBManager[theirDialect]
	_ func(string) distrlock.DBManagerOption                                         = distrlock.WithTableName
	_ func(theirDialect) (string, error)                                             = distrlock.CreateTableSQL[theirDialect]
	_ func(theirDialect) (string, error)                                             = distrlock.DropTableSQL[theirDialect]

	_ func(context.Context, *sql.DB, theirDialect, string, func(context.Context) error, ...distrlock.DoOption) error = distrlock.DoExclusively[theirDialect]

	_ interface {
		CreateTableSQL() string
		DropTableSQL() string
		NewLock(context.Context, distrlock.SQLExecutor, string) (distrlock.DBLock, error)
	} = (*distrlock.DBManager)(nil)
	_ interface {
		Acquire(context.Context, distrlock.SQLExecutor, time.Duration) error
		AcquireWithStaticToken(context.Context, distrlock.SQLExecutor, string, time.Duration) error
		Release(context.Context, distrlock.SQLExecutor) error
		Extend(context.Context, distrlock.SQLExecutor) error
		Token() string
		DoExclusively(context.Context, *sql.DB, func(context.Context) error, ...distrlock.DoOption) error
	} = &distrlock.DBLock{Key: "k", TTL: time.Second}

	_ = []distrlock.SQLExecutor{(*sql.DB)(nil), (*sql.Tx)(nil), (*sql.Conn)(nil)}
	_ = []func(time.Duration) distrlock.DoOption{distrlock.WithLockTTL, distrlock.WithPeriodicExtendInterval, distrlock.WithReleaseTimeout}
	_ = []error{distrlock.ErrLockAlreadyAcquired, distrlock.ErrLockAlreadyReleased}

	_ func(distrlock.Logger) distrlock.DoOption = distrlock.WithLogger
	_ distrlock.Logger                          = interface{ Errorf(string, ...any) }(nil)
)

// The table is what old clients expect it to be.
func TestKeep_Columns(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		text := `SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END, ', ' ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = 'distributed_locks'::regclass AND attnum > 0`
		want := "lock_key character varying(40) not null, token uuid, expire_at timestamp without time zone"
		if isMySQL(d) {
			text = `SELECT GROUP_CONCAT(column_name, ' ', data_type, IFNULL(CONCAT('(', character_maximum_length, ')'), ''), IF(is_nullable = 'NO', ' not null', '')
				ORDER BY ordinal_position SEPARATOR ', ') FROM information_schema.columns WHERE table_schema = DATABASE()`
			want = "lock_key varchar(40) not null, token varchar(36), expire_at bigint"
		}
		if got := value[string](t, p.db, text); got != want {
			t.Errorf("the columns are %s, not %s", got, want)
		}
	})
}

// Without options a lease is a minute long, and extended when half of it is over.
func TestKeep_Defaults(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		if distrlock.DefaultTableName != "distributed_locks" {
			t.Errorf("the default table is %s", distrlock.DefaultTableName)
		}
		p := newTable(t, d)
		left := `SELECT extract(epoch FROM expire_at - localtimestamp) FROM distributed_locks`
		if isMySQL(d) {
			left = `SELECT expire_at / 10000 - UNIX_TIMESTAMP(NOW(6)) FROM distributed_locks`
		}
		must(t, distrlock.DoExclusively(t.Context(), p.db, d, "k", func(context.Context) error {
			if seconds := value[float64](t, p.db, left); seconds < 40 || seconds > 60.2 {
				t.Errorf("the lease lasts for another %.1f s", seconds)
			}
			return nil
		}))
	})
}
