package postgres

import (
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// A column whose type was altered under prepared statements costs an error that passes, and
// no more.
func TestAlteredColumn(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	cycle := func() error {
		a := c.attempt("a")
		_, err := c.Acquire(t.Context(), a, true)
		if err == nil {
			_, err = c.Release(t.Context(), a)
		}
		return err
	}
	for range calm + 2 {
		if err := cycle(); err != nil {
			t.Fatal(err)
		}
	}
	execSQL(t, pool, `ALTER TABLE `+schema+`.lock ALTER COLUMN granted_at TYPE timestamptz(3)`)
	if err := cycle(); err == nil || driver.IsPermanent(err) {
		t.Errorf("the first call after it: %v", err)
	}
	if err := cycle(); err != nil {
		t.Errorf("the next: %v", err)
	}
}
