package mysql

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// BenchmarkCycle acquires and releases, each goroutine a name of its own.
func BenchmarkCycle(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("g%d", goroutines), func(b *testing.B) {
			client, err := leasehold.Open(b.Context(), testStore(b), leasehold.Config{TTL: 15 * time.Second})
			if err != nil {
				b.Fatal(err)
			}
			defer client.Close()
			divide(b, goroutines, func(i int) error {
				lock, err := client.Acquire(b.Context(), fmt.Sprint("name-", i))
				if err == nil {
					err = lock.Close()
				}
				return err
			})
		})
	}
}

// BenchmarkTwoCommits is what a cycle is compared with: two updates of one row found by
// its key, each a commit of its own, on a connection of its own for each goroutine.
func BenchmarkTwoCommits(b *testing.B) {
	for _, goroutines := range []int{1, 64} {
		b.Run(fmt.Sprintf("g%d", goroutines), func(b *testing.B) {
			db := openDB(b, serverURL(b))
			table := testDatabase(b) + ".floor"
			execSQL(b, db, "CREATE TABLE "+table+" (name VARBINARY(64) PRIMARY KEY, n BIGINT NOT NULL) ENGINE = InnoDB")
			db.SetMaxIdleConns(goroutines)
			for i := range goroutines {
				execSQL(b, db, fmt.Sprintf("INSERT INTO %s VALUES ('name-%d', 0)", table, i))
			}
			update, err := db.PrepareContext(b.Context(), "UPDATE "+table+" SET n = n + 1 WHERE name = ?")
			if err != nil {
				b.Fatal(err)
			}
			defer update.Close()
			divide(b, goroutines, func(i int) error {
				for range 2 {
					if _, err := update.ExecContext(b.Context(), fmt.Sprint("name-", i)); err != nil {
						return err
					}
				}
				return nil
			})
		})
	}
}

// divide makes b.N calls on so many goroutines, after one of each to warm up.
func divide(b *testing.B, goroutines int, do func(i int) error) {
	run := func(calls int) {
		var wg sync.WaitGroup
		for i := range goroutines {
			wg.Go(func() {
				for range calls {
					if err := do(i); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	run(1)
	b.ResetTimer()
	run((b.N + goroutines - 1) / goroutines)
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}

// BenchmarkSession: each goroutine acquires and releases a name of its own, by one session.
func BenchmarkSession(b *testing.B) {
	for _, n := range []int{1, 8, 512} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := newSite(b)
			c := s.Client()
			divide(b, n, func(i int) error {
				lock, err := c.Acquire(b.Context(), fmt.Sprint("name ", i))
				if err != nil {
					return err
				}
				return lock.Close()
			})
		})
	}
}
