package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
)

// each runs b.N cycles of n goroutines.
func each(b *testing.B, n int, cycle func(ctx context.Context, i int) error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range n {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := cycle(b.Context(), i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cycles/s")
}

// BenchmarkSession: each goroutine acquires and releases a name of its own. Raw is a lock
// and an unlock, prepared, on 8 connections.
func BenchmarkSession(b *testing.B) {
	for _, n := range []int{1, 8, 512} {
		b.Run(fmt.Sprint("leasehold/", n), func(b *testing.B) {
			s := newSite(b)
			c := s.Client()
			names := make([]string, n)
			for i := range names {
				names[i] = fmt.Sprint("name ", i)
				s.Release(s.Acquire(c, names[i]))
			}
			each(b, n, func(ctx context.Context, i int) error {
				lock, err := c.Acquire(ctx, names[i])
				if err != nil {
					return err
				}
				return lock.Close()
			})
		})
	}
	b.Run("raw/8", func(b *testing.B) {
		pool := testPool(b, func(cfg *pgxpool.Config) { cfg.MaxConns = 8 })
		conns := make([]*pgxpool.Conn, 8)
		for i := range conns {
			conn, err := pool.Acquire(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Release()
			conns[i] = conn
		}
		each(b, 8, func(ctx context.Context, i int) error {
			for _, sql := range []string{`SELECT pg_advisory_lock($1)`, `SELECT pg_advisory_unlock($1)`} {
				if _, err := conns[i].Exec(ctx, sql, 70_000_000_000+int64(i)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}
