package pglock_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

// What the original exports, with its types: this compiles, or a program that uses it does
// not.
var (
	_ func(*sql.DB, ...pglock.ClientOption) (*pglock.Client, error) = pglock.New
	_ func(*sql.DB, ...pglock.ClientOption) (*pglock.Client, error) = pglock.UnsafeNew

	_ func(pglock.Logger) pglock.ClientOption      = pglock.WithLogger //lint:ignore SA1019 the original has it
	_ func(pglock.LevelLogger) pglock.ClientOption = pglock.WithLevelLogger
	_ func(time.Duration) pglock.ClientOption      = pglock.WithLeaseDuration
	_ func(time.Duration) pglock.ClientOption      = pglock.WithHeartbeatFrequency
	_ func(string) pglock.ClientOption             = pglock.WithCustomTable
	_ func(string) pglock.ClientOption             = pglock.WithOwner

	_ func() pglock.LockOption                = pglock.FailIfLocked
	_ func([]byte) pglock.LockOption          = pglock.WithData
	_ func() pglock.LockOption                = pglock.ReplaceData
	_ func() pglock.LockOption                = pglock.KeepOnRelease
	_ func(context.Context) pglock.LockOption = pglock.WithCustomHeartbeatContext

	_ interface {
		CreateTable() error
		TryCreateTable() error
		DropTable() error
		Acquire(string, ...pglock.LockOption) (*pglock.Lock, error)
		AcquireContext(context.Context, string, ...pglock.LockOption) (*pglock.Lock, error)
		Do(context.Context, string, func(context.Context, *pglock.Lock) error, ...pglock.LockOption) error
		Release(*pglock.Lock) error
		ReleaseContext(context.Context, *pglock.Lock) error
		SendHeartbeat(context.Context, *pglock.Lock) error
		Get(string) (*pglock.Lock, error)
		GetContext(context.Context, string) (*pglock.Lock, error)
		GetData(string) ([]byte, error)
		GetDataContext(context.Context, string) ([]byte, error)
		GetAllLocks() ([]*pglock.ReadOnlyLock, error)
		GetAllLocksContext(context.Context) ([]*pglock.ReadOnlyLock, error)
	} = (*pglock.Client)(nil)
	_ interface {
		Data() []byte
		Owner() string
		IsReleased() bool
		RecordVersionNumber() int64
		Close() error
	} = (*pglock.Lock)(nil)
	_ interface {
		Name() string
		Data() []byte
		Owner() string
	} = (*pglock.ReadOnlyLock)(nil)

	_ = []interface {
		error
		Unwrap() error
	}{(*pglock.NotExistError)(nil), (*pglock.UnavailableError)(nil), (*pglock.FailedPreconditionError)(nil), (*pglock.OtherError)(nil)}
	_ = []error{
		pglock.ErrNotPostgreSQLDriver, pglock.ErrNotAcquired, pglock.ErrLockAlreadyReleased, pglock.ErrDurationTooSmall,
	}
	_ *pglock.NotExistError = pglock.ErrLockNotFound
)

func TestKeep_Defaults(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		if pglock.DefaultTableName != "locks" || pglock.DefaultLeaseDuration != 20*time.Second || pglock.DefaultHeartbeatFrequency != 5*time.Second {
			t.Errorf("%s, %v, %v", pglock.DefaultTableName, pglock.DefaultLeaseDuration, pglock.DefaultHeartbeatFrequency)
		}
		owners := map[string]bool{}
		for _, name := range []string{"a", "b"} {
			l := acquire(t, db.client(), name)
			owners[l.Owner()] = strings.HasPrefix(l.Owner(), "pglock-") && len(l.Owner()) > 20
			must(t, l.Close())
		}
		if len(owners) != 2 {
			t.Errorf("the owners of two clients: %v", owners)
		}
		for owner, ok := range owners {
			if !ok {
				t.Errorf("the owner %q", owner)
			}
		}
	})
}

// TestKeep_Columns: the table is what old clients expect it to be.
func TestKeep_Columns(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		var columns, sequence string
		must(t, db.QueryRow(`SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || CASE WHEN attnotnull THEN ' not null' ELSE '' END, ', ' ORDER BY attnum)
			FROM pg_attribute WHERE attrelid = 'locks'::regclass AND attnum > 0`).Scan(&columns))
		if want := "name character varying(255) not null, record_version_number bigint, data bytea, owner character varying(255)"; columns != want {
			t.Errorf("the columns are %s, not %s", columns, want)
		}
		must(t, db.QueryRow(`SELECT pg_get_serial_sequence('locks', 'record_version_number') || ' ' || seqcycle || ' ' || seqtypid::regtype
			FROM pg_sequence WHERE seqrelid = 'locks_rvn'::regclass`).Scan(&sequence))
		if !strings.HasSuffix(sequence, ".locks_rvn true bigint") {
			t.Errorf("the sequence of the column: %s", sequence)
		}
	})
}

// lines is a logger that keeps what it gets.
type lines struct {
	mu             sync.Mutex
	debugs, errors []string
}

func (l *lines) Debug(msg string, args ...any) { l.add(&l.debugs, msg) }
func (l *lines) Error(msg string, args ...any) { l.add(&l.errors, msg) }

func (l *lines) add(to *[]string, msg string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*to = append(*to, msg)
}

func (l *lines) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.errors)
}

func TestKeep_LossesAreLogged(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		log := &lines{}
		l := acquire(t, db.client(brief([]pglock.ClientOption{pglock.WithLevelLogger(log)})...), "a")
		if log.count() > 0 {
			t.Errorf("an acquisition was logged as an error: %q", log.errors)
		}
		_, err := db.Exec("DELETE FROM locks")
		must(t, err)
		eventually(t, "the lock is lost", l.IsReleased)
		eventually(t, "that is logged", func() bool { return log.count() > 0 })
		_ = l.Close() // it was lost
	})
}

// TestKeep_ReleaseOfWhatIsNoLock: it is an error, and nothing else.
func TestKeep_ReleaseOfWhatIsNoLock(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		c := db.client()
		defer acquire(t, c, "a").Close()
		read, err := c.Get("a")
		must(t, err)
		for _, l := range []*pglock.Lock{nil, read} {
			for what, err := range map[string]error{
				"Release": c.Release(l), "ReleaseContext": c.ReleaseContext(t.Context(), l), "SendHeartbeat": c.SendHeartbeat(t.Context(), l),
			} {
				if !errors.Is(err, pglock.ErrLockAlreadyReleased) {
					t.Errorf("%s of %v: %v", what, l, err)
				}
			}
		}
		if _, there := db.rvn("a"); !there {
			t.Error("the holder's row is gone")
		}
	})
}
