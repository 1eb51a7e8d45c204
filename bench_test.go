package leasehold_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
)

// BenchmarkCycle measures what the client itself costs: acquire and release of
// distinct names, on a store that does nothing. CPU time is what matters; with a
// delay, that is the time beyond what the batches take.
func BenchmarkCycle(b *testing.B) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		for _, goroutines := range []int{1, 512} {
			b.Run(fmt.Sprintf("delay=%v/goroutines=%d", delay, goroutines), func(b *testing.B) {
				cycle(b, stub{delay}, goroutines)
			})
		}
	}
}

func cycle(b *testing.B, store stub, goroutines int) {
	client := openFor(b, store)
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for i := range goroutines {
		name := fmt.Sprint("name ", i)
		n := b.N / goroutines
		if i < b.N%goroutines {
			n++
		}
		wg.Go(func() {
			for range n {
				lock, err := client.Acquire(ctx, name)
				if err != nil {
					b.Error(err)
					return
				}
				lock.Close()
			}
		})
	}
	wg.Wait()
}

// BenchmarkWaiter measures what a goroutine that waits costs beyond one that waits for
// its own context, on one name and with ten on each. It is about memory, not time.
func BenchmarkWaiter(b *testing.B) {
	const goroutines = 10_000
	for _, names := range []int{1, goroutines / 10} {
		b.Run(fmt.Sprintf("names=%d", names), func(b *testing.B) {
			store := memory.New()
			holder, client := openFor(b, store), openFor(b, store)
			for i := range names {
				if _, err := holder.Acquire(b.Context(), fmt.Sprint(i)); err != nil {
					b.Fatal(err)
				}
			}
			wait := func(ctx context.Context, _ int) { <-ctx.Done() }
			memoryOf(b, goroutines, wait) // from here on goroutines are reused, by both
			for b.Loop() {
				bare := memoryOf(b, goroutines, wait)
				full := memoryOf(b, goroutines, func(ctx context.Context, i int) { client.Acquire(ctx, fmt.Sprint(i%names)) })
				b.ReportMetric(float64(full.heap-bare.heap)/goroutines, "heap-B/waiter")
				b.ReportMetric(float64(full.stack-bare.stack)/goroutines, "stack-B/waiter")
			}
		})
	}
}

func openFor(b *testing.B, store driver.Store) *leasehold.Client {
	client, err := leasehold.Open(b.Context(), store, leasehold.Config{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	return client
}

type memoryUse struct{ heap, stack int64 }

// memoryOf returns what n goroutines cost that wait in f.
func memoryOf(b *testing.B, n int, f func(ctx context.Context, i int)) memoryUse {
	before := inUse()
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			own, cancel := context.WithTimeout(ctx, time.Hour)
			defer cancel()
			f(own, i)
		})
	}
	after := inUse()
	for last := before; after.heap-last.heap > int64(n); { // until all of them wait
		last, after = after, inUse()
	}
	cancel()
	wg.Wait()
	return memoryUse{after.heap - before.heap, after.stack - before.stack}
}

func inUse() memoryUse {
	time.Sleep(100 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memoryUse{int64(m.HeapAlloc), int64(m.StackInuse)}
}
