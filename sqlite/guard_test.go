package sqlite

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// ledger makes a table of the user's own beside the locks.
func ledger(t *testing.T, path string) *sql.DB {
	t.Helper()
	db := openUser(t, path)
	if _, err := db.Exec(`CREATE TABLE ledger (entry TEXT NOT NULL)`); err != nil {
		t.Fatal(err)
	}
	return db
}

// write writes to the ledger under a guard.
func writeGuarded(t *testing.T, db *sql.DB, hold driver.Hold, entry string) error {
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := guard(t.Context(), tx, hold); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO ledger VALUES (?)`, entry); err != nil {
		return err
	}
	return tx.Commit()
}

func entries(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	if err := db.QueryRow(`SELECT count(*) FROM ledger`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHazard25_SupersededHolderCannotWrite: a holder that was paused, and whose
// lock has passed on meanwhile, writes nothing under a guard.
func TestHazard25_SupersededHolderCannotWrite(t *testing.T) {
	store := tempStore(t)
	old, next := newClient(t, store), newClient(t, store)
	db := ledger(t, old.path)
	hold := old.hold("a")
	if err := writeGuarded(t, db, hold, "while held"); err != nil {
		t.Fatal(err)
	}
	waiting, _ := next.acquire("a")
	next.endLease(old.lease, driver.Grounds{Own: true}) // as its client would, or its death
	if err := writeGuarded(t, db, hold, "without a lease"); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("guard without a lease: %v, want ErrNotHeld", err)
	}
	if err := next.TakeOver(t.Context(), "a", []driver.ID{old.lease}, 0); err != nil {
		t.Fatal(err)
	}
	if err := writeGuarded(t, db, hold, "superseded"); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("guard after a take-over: %v, want ErrNotHeld", err)
	}
	if err := writeGuarded(t, db, driver.Hold{Attempt: waiting, Conn: next.conn}, "by the next"); err != nil {
		t.Errorf("guard of the next holder: %v", err)
	}
	if n := entries(t, db); n != 2 {
		t.Errorf("%d entries, want 2", n)
	}
}

// TestGuardFirstWins: a transaction that was guarded in time commits, and what
// takes the lock from its holder comes after it.
func TestGuardFirstWins(t *testing.T) {
	store := tempStore(t)
	holder, other := newClient(t, store), newClient(t, store)
	db := ledger(t, holder.path)
	hold := holder.hold("a")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	if err := guard(t.Context(), tx, hold); err != nil {
		t.Fatal(err)
	}
	revoked := make(chan error)
	go func() { revoked <- other.Revoke(t.Context(), "a", hold.Fence, driver.Mark{By: "op"}) }()
	await(t, "the revocation is under way", func() bool { return len(other.writer.turn) == 1 })
	if _, err := tx.Exec(`INSERT INTO ledger VALUES ('guarded')`); err != nil {
		t.Fatal(err)
	}
	if holder.row("a").Mark != nil {
		t.Error("the guard did not stop a revocation")
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := <-revoked; err != nil {
		t.Fatal(err)
	}
	if err := writeGuarded(t, db, hold, "revoked"); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("guard of a revoked lock: %v, want ErrNotHeld", err)
	}
	if n := entries(t, db); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// TestGuardOnAnOldSnapshot: what the transaction read before the guard may be
// out of date, so it cannot go on if the file was written to since.
func TestGuardOnAnOldSnapshot(t *testing.T) {
	c := newClient(t, tempStore(t))
	db := ledger(t, c.path)
	hold := c.hold("a")
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM ledger`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	c.hold("b")
	if err := guard(t.Context(), tx, hold); !isBusy(err) {
		t.Errorf("guard on an old snapshot: %v, want an error of the database", err)
	}
}

func TestGuardRefusesAnotherFile(t *testing.T) {
	c := newClient(t, tempStore(t))
	hold := c.hold("a")
	elsewhere := newClient(t, tempStore(t))
	err := writeGuarded(t, ledger(t, elsewhere.path), hold, "elsewhere")
	if err == nil || !strings.Contains(err.Error(), "another file") {
		t.Errorf("guard in another file: %v", err)
	}
	hold.Conn = nil
	if err := writeGuarded(t, ledger(t, c.path), hold, "other store"); err == nil {
		t.Error("a lock of another store was accepted")
	}
}

// TestGuard goes through the public door.
func TestGuard(t *testing.T) {
	path := filepath.Join(t.TempDir(), "app.db")
	db := openUser(t, path)
	if _, err := db.Exec(`PRAGMA journal_mode=WAL`); err != nil {
		t.Fatal(err)
	}
	client, err := leasehold.Open(t.Context(), New(db), leasehold.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	lock, err := client.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	try := func() error {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		return Guard(t.Context(), tx, lock)
	}
	if err := try(); err != nil {
		t.Errorf("guard of a held lock: %v", err)
	}
	if err := lock.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := try(); !errors.Is(err, leasehold.ErrNotHeld) || !strings.Contains(err.Error(), `"a"`) {
		t.Errorf("guard of a released lock: %v, want ErrNotHeld and the name", err)
	}
}
