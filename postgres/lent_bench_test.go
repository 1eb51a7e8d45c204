package postgres

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// eachWayOfOwn runs a benchmark on every way to a server of its own.
func eachWayOfOwn(b *testing.B, bench func(b *testing.B, server *pgserver.Server, store *Store)) {
	for name, way := range ways {
		b.Run(name, func(b *testing.B) {
			server := pgserver.ForTest(b, pgserver.Config{})
			url := server.URL()
			if way.pooler {
				url = pgbouncer.ForTest(b, pgbouncer.Config{Server: url, Mode: pgbouncer.Transaction}).URL()
			}
			bench(b, server, way.store(b, url, "leasehold"))
		})
	}
}

// How long after its release a lock is in the hands of another client that waited for it.
func BenchmarkLentHandOver(b *testing.B) {
	eachWayOfOwn(b, func(b *testing.B, _ *pgserver.Server, store *Store) {
		clients := []*leasehold.Client{openClient(b, store, leasehold.Config{}), openClient(b, store, leasehold.Config{})}
		held := acquireLock(b, clients[0], "a")
		var took []time.Duration
		for i := 1; b.Loop(); i++ {
			next := make(chan *leasehold.Lock, 1)
			go func() {
				lock, err := clients[i%2].Acquire(b.Context(), "a")
				if err != nil {
					b.Error(err)
				}
				next <- lock
			}()
			for {
				if info, err := clients[(i+1)%2].Get(b.Context(), "a"); err == nil && len(info.Waiters) == 1 {
					break
				}
			}
			released := time.Now()
			if err := held.Release(b.Context()); err != nil {
				b.Fatal(err)
			}
			held = <-next
			took = append(took, time.Since(released))
		}
		_ = held.Close()
		slices.Sort(took)
		b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
		b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
	})
}

// How many transactions a second the server runs while one client holds a lock, and another
// has waited for it for a while.
func BenchmarkLentWait(b *testing.B) {
	eachWayOfOwn(b, func(b *testing.B, server *pgserver.Server, store *Store) {
		holder, waiter := openClient(b, store, leasehold.Config{}), openClient(b, store, leasehold.Config{})
		held := acquireLock(b, holder, "a")
		done := make(chan struct{})
		go func() {
			defer close(done)
			if lock, err := waiter.Acquire(b.Context(), "a"); err == nil {
				_ = lock.Close()
			}
		}()
		commits := func() int {
			text, err := server.Query(b.Context(), `SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()`)
			n, errNumber := strconv.Atoi(text)
			if err != nil || errNumber != nil {
				b.Fatal(err, errNumber)
			}
			return n
		}
		time.Sleep(3 * time.Second) // it is a cold lock by then
		before, start := commits(), time.Now()
		for b.Loop() {
			time.Sleep(10 * time.Second)
		}
		b.ReportMetric(float64(commits()-before)/time.Since(start).Seconds(), "transactions/s")
		_ = held.Close()
		<-done
	})
}
