package advisory_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// BenchmarkSixteenReaders has 16 goroutines do RLock and RUnlock once each, on one pool: with a Lock each, or one for
// all.
func BenchmarkSixteenReaders(b *testing.B) {
	const readers = 16
	for _, driver := range drivers {
		for name, each := range map[string]int{"each": readers, "shared": 1} {
			b.Run(driver+"/"+name, func(b *testing.B) {
				db, key := open(b, driver), newKey()
				db.SetMaxIdleConns(readers)
				var own []*pglock.Lock
				for range each {
					own = append(own, newLock(b, db, key))
				}
				for b.Loop() {
					read(b, readers, own)
				}
			})
		}
	}
}

// read does it once.
func read(t testing.TB, readers int, own []*pglock.Lock) {
	var wg sync.WaitGroup
	for i := range readers {
		l := own[i%len(own)]
		wg.Go(func() {
			if err := l.RLock(t.Context()); err != nil {
				t.Error(err)
			}
			if err := l.RUnlock(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// The median of many times is what it takes; a machine at work makes some of them longer.
func TestKeep_NoFurtherRoundTrips(t *testing.T) {
	db, key := open(t, "postgres"), newKey()
	const readers = 16
	db.SetMaxIdleConns(readers)
	var own []*pglock.Lock
	for range readers {
		own = append(own, newLock(t, db, key))
	}
	var times []time.Duration
	for range 50 {
		start := time.Now()
		read(t, readers, own)
		times = append(times, time.Since(start))
	}
	slices.Sort(times)
	t.Logf("median %v", times[len(times)/2])
	if median := times[len(times)/2]; median > 50*time.Millisecond {
		t.Errorf("16 goroutines took %v", median)
	}
}
