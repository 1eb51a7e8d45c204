package pglock_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

// TestFix_AThousandLocksAreTwoStatements: at most, in each heartbeat interval.
func TestFix_AThousandLocksAreTwoStatements(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "pgx")
	pool := db.counting()
	const heartbeat, intervals, locks = 3 * time.Second, 3, 1000
	c, err := pglock.UnsafeNew(pool.DB, pglock.WithLeaseDuration(4*heartbeat), pglock.WithHeartbeatFrequency(heartbeat))
	must(t, err)
	held := make([]*pglock.Lock, locks)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := i; j < locks; j += 8 {
				held[j] = acquire(t, c, fmt.Sprint("lock-", j))
			}
		})
	}
	wg.Wait()
	before := held[0].RecordVersionNumber()
	pool.take("")
	time.Sleep(intervals * heartbeat)
	n := pool.take("record_version_number = $1") // a machine at work may have left something to clear away
	t.Logf("%d statements in %d heartbeat intervals", n, intervals)
	if n > 2*intervals {
		t.Errorf("%d statements in %d heartbeat intervals", n, intervals)
	}
	if held[0].RecordVersionNumber() == before {
		t.Error("there was no heartbeat")
	}
	for _, l := range held {
		if l.IsReleased() {
			t.Fatal("a lock was lost")
		}
	}
	for i := range 8 {
		wg.Go(func() {
			for j := i; j < locks; j += 8 {
				must(t, held[j].Close())
			}
		})
	}
	wg.Wait()
	if n := db.rows(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}
