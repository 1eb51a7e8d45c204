package advisory_test

import (
	"sync"
	"testing"

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

// Each call that the server must know of is one round trip.
func TestKeep_NoFurtherRoundTrips(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, key, p := t.Context(), newKey(), silentProxy(t)
		l := newLock(t, openAt(t, driver, p.Address()), key)
		cycle := func() {
			must(t, l.RLock(ctx))
			must(t, l.RUnlock(ctx))
			ok, err := l.TryLock(ctx)
			yes(t, "TryLock", ok, err)
			must(t, l.Lock(ctx))
			must(t, l.Unlock(ctx))
			must(t, l.Unlock(ctx))
		}
		cycle() // pgx prepares each text when it first meets it
		before := p.Requests()
		for range 5 {
			cycle()
		}
		if n := p.Requests() - before; n != 5*6 {
			t.Errorf("30 calls were %d round trips", n)
		}
	})
}
