package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

func TestConformance(t *testing.T) {
	drivertest.Run(t, drivertest.Harness{
		Open:     func(t *testing.T) driver.Store { return Open(filepath.Join(t.TempDir(), "locks.db")) },
		MaxTTL:   time.Minute,
		Listens:  true,
		Starts:   true,
		Inherits: true,
		Liveness: true,
		Vanish:   func(conn driver.Conn) { _ = conn.Close() },
		Guard:    beginGuard,
	})
}

// beginGuard guards the hold in a transaction on a connection of the test's own.
func beginGuard(t *testing.T, store driver.Store, hold driver.Hold) func() {
	db := openUser(t, store.(*Store).path)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard(t.Context(), tx, hold); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
}
