package mysql

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open:    func(t *testing.T) driver.Store { return testStore(t) },
		MaxTTL:  time.Minute,
		Listens: true,
		Guard:   beginGuard,
	})
}

// TestConformanceOfPool is the same over a pool of the caller's whose connections take one
// statement at a time.
func TestConformanceOfPool(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return New(openDB(t, serverURL(t)), Config{Database: testDatabase(t)})
		},
		MaxTTL:  time.Minute,
		Listens: true,
		Guard:   beginGuard,
	})
}

// beginGuard guards the hold in a transaction on a connection of the test's own.
func beginGuard(t *testing.T, _ driver.Store, hold driver.Hold) func() {
	tx, err := openDB(t, serverURL(t)).BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard(t.Context(), tx, hold); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
	}
}
