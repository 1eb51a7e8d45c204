package postgres

import (
	"context"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest"
)

func TestConformance(t *testing.T) {
	t.Parallel()
	drivertest.Run(t, drivertest.Harness{
		Open: func(t *testing.T) driver.Store {
			return New(testPool(t), Config{Schema: testSchema(t)})
		},
		MaxTTL:  time.Minute,
		Listens: true,
		Starts:  true,
		Guard: func(t *testing.T, _ driver.Store, hold driver.Hold) func() {
			tx, err := testPool(t).Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if err := guardHold(t.Context(), tx, hold); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := tx.Commit(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			}
		},
	})
}
