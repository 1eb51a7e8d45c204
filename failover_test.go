package leasehold_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

// pause is how long the store grants nothing after a promotion: its longest TTL and
// the margin of that.
const pause = time.Minute + 300*time.Millisecond

// A lock that was passed on shortly before a promotion that lost this: the new holder
// is told, the old one's place does not stay behind, and nobody holds the lock before
// the pause is over.
func TestHazard43_PromotionLosesAHandOver(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		first := acquire(t, a, "x")
		granted := make(chan *leasehold.Lock)
		go func() {
			lock, _ := b.Acquire(t.Context(), "x")
			granted <- lock
		}()
		synctest.Wait()
		promote := store.Standby()
		if err := first.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		second := <-granted
		promote()
		promoted := time.Now()

		lost, cause := lossAt(second, promoted)
		if wantCause(t, cause, leasehold.ErrFailedOver); lost > trust {
			t.Errorf("told after %v", lost)
		}
		second.Close()
		third := acquire(t, open(t, store, leasehold.Config{}), "x")
		if waited := time.Since(promoted); waited < pause || waited > pause+2*time.Second {
			t.Errorf("granted %v after the promotion", waited)
		}
		if third.Fence() <= second.Fence() {
			t.Errorf("fence %d, then %d", second.Fence(), third.Fence())
		}
		third.Close()
		free(t, a, "x")
	})
}

// A release that the promoted copy lacks is made good, once nobody could mind.
func TestPromotionLosesARelease(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		kept, lock := acquire(t, client, "kept"), acquire(t, client, "x")
		promote := store.Standby()
		lock.Close()
		promote()
		time.Sleep(ttl)
		free(t, client, "x")
		info, err := client.Get(t.Context(), "kept")
		if err != nil || !kept.Held() || info.State != leasehold.Held || info.Fence != kept.Fence() {
			t.Errorf("a lock that the copy has was lost: %+v, %v", info, err)
		}
	})
}

// A release that is answered by the old incarnation when the client already knows of
// the new one is made again.
func TestReleaseAnsweredByThePast(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		other, lock := acquire(t, client, "other"), acquire(t, client, "x")
		promote := store.Standby()
		late := make(chan struct{})
		store.Intercept(hold("Release", late))
		done := make(chan error)
		go func() { done <- lock.Release(t.Context()) }()
		synctest.Wait()
		promote()
		time.Sleep(ttl / 2) // the client renews, and looks for ghosts
		store.Intercept(nil)
		close(late)
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		free(t, client, "x")
		if !other.Held() {
			t.Error("the other lock was lost")
		}
	})
}

// A waiter whose place the copy lacks takes a new one; one whose place it has keeps it.
func TestPromotionLosesAPlaceInTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		lock := acquire(t, a, "x")
		promote := store.Standby()
		granted := make(chan error)
		go func() {
			second, err := b.Acquire(t.Context(), "x")
			if err == nil {
				second.Close()
			}
			granted <- err
		}()
		synctest.Wait()
		promote()
		time.Sleep(pause + 2*time.Second)
		if !lock.Held() {
			t.Fatalf("lost: %v", lock.Context().Err())
		}
		lock.Close()
		if err := <-granted; err != nil {
			t.Error(err)
		}
		free(t, a, "x")
	})
}

// While nothing is granted, a release with somebody waiting returns soon and passes
// the lock on afterwards, and a try says that it may be tried again.
func TestNothingIsGrantedDuringThePause(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		lock := acquire(t, a, "x")
		granted := make(chan *leasehold.Lock)
		go func() {
			second, _ := b.Acquire(t.Context(), "x")
			granted <- second
		}()
		synctest.Wait()
		store.Standby()()
		promoted := time.Now()
		if err := lock.Release(t.Context()); err != nil || time.Since(promoted) > time.Second {
			t.Errorf("Release: %v after %v", err, time.Since(promoted))
		}
		if _, err := a.TryAcquire(t.Context(), "free"); !errors.Is(err, leasehold.ErrUnavailable) {
			t.Errorf("TryAcquire: %v", err)
		}
		second := <-granted
		if waited := time.Since(promoted); waited < pause {
			t.Errorf("granted %v after the promotion", waited)
		}
		second.Close()
	})
}
