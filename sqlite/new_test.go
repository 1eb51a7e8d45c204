package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// TestHazard32_KeepaliveBesideTheUsersPool: a pool of one connection, in use for
// ever, hinders nothing; and nothing of the user's is changed.
func TestHazard32_KeepaliveBesideTheUsersPool(t *testing.T) {
	db := openUser(t, filepath.Join(t.TempDir(), "app.db"))
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL`); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, New(db))
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	c.listen()
	c.hold("a")
	if _, err := c.RenewLease(t.Context(), c.lease); err != nil {
		t.Error(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	var synchronous, timeout int
	if err := errors.Join(
		db.QueryRow(`PRAGMA synchronous`).Scan(&synchronous),
		db.QueryRow(`PRAGMA busy_timeout`).Scan(&timeout),
	); err != nil {
		t.Fatal(err)
	}
	if synchronous != 1 || timeout != 5000 {
		t.Errorf("the user's settings are now synchronous=%d, busy_timeout=%d", synchronous, timeout)
	}
}

// TestHazard44_DurableCommits: on our own connections, whatever the defaults.
func TestHazard44_DurableCommits(t *testing.T) {
	db := openUser(t, filepath.Join(t.TempDir(), "app.db"))
	if _, err := db.Exec(`PRAGMA journal_mode=WAL`); err != nil {
		t.Fatal(err)
	}
	for _, store := range []*Store{tempStore(t), New(db)} {
		c := newClient(t, store)
		c.release(c.hold("a").Attempt) // which is not flushed
		var synchronous int
		var journal string
		if err := errors.Join(
			c.writer.row(`PRAGMA synchronous`).Scan(&synchronous),
			c.writer.row(`PRAGMA journal_mode`).Scan(&journal),
		); err != nil {
			t.Fatal(err)
		}
		if synchronous != 2 || journal != "wal" {
			t.Errorf("synchronous=%d, journal_mode=%s, want 2 (FULL) and wal", synchronous, journal)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	memory, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	refused(t, New(memory), "in memory")
	rollback := openUser(t, filepath.Join(t.TempDir(), "app.db"))
	refused(t, New(rollback), "set it to wal first")
	if _, err := rollback.Exec(`CREATE TABLE t (a)`); err != nil {
		t.Errorf("the user's database is not usable any more: %v", err)
	}
}

// TestTwoStoresOneFile: a path and a database of the user's lead to the same locks.
func TestTwoStoresOneFile(t *testing.T) {
	first := newClient(t, tempStore(t))
	first.hold("a")
	second := newClient(t, New(openUser(t, first.path)))
	if _, granted := second.acquire("a"); granted {
		t.Error("two holders")
	}
	if _, err := Open(first.path).Connect(t.Context(), driver.Settings{TTL: time.Hour}); !driver.IsPermanent(err) {
		t.Errorf("a TTL above the cap: %v", err)
	}
}
