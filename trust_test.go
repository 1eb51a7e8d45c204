package leasehold_test

import (
	"context"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestTrustEndsExactlyAtTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		start := time.Now()
		store.Down(true)
		if got := time.Until(lock.Deadline()); got != trust {
			t.Errorf("deadline in %v, want %v", got, trust)
		}
		time.Sleep(trust - 1)
		if !lock.Held() || lock.Context().Err() != nil {
			t.Error("lost before the deadline")
		}
		took, cause := lossAt(lock, start)
		if took != trust {
			t.Errorf("the context ended after %v, want %v", took, trust)
		}
		if lock.Held() {
			t.Error("still believed in")
		}
		wantCause(t, cause, leasehold.ErrLost, leasehold.ErrExpired)
		wantCause(t, lock.Close(), leasehold.ErrLost)
		store.Down(false)
	})
}

// A call that hangs, and does not even heed its context, delays nothing.
func TestHazard01_HungKeepaliveEndsContextByTheDeadline(t *testing.T) {
	for range 1000 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			lock := acquire(t, open(t, store, leasehold.Config{}), "x")
			start := time.Now()
			var sent time.Duration // of the last renewal that got through
			release := make(chan struct{})
			hangAt := rand.N(60 * time.Second)
			store.Intercept(func(_ context.Context, call memory.Call) error {
				if time.Since(start) >= hangAt {
					<-release
				} else if call.Op == "RenewLease" && !call.Done {
					sent = time.Since(start)
				}
				return nil
			})
			took, cause := lossAt(lock, start)
			if took != sent+trust {
				t.Errorf("hung at %v: the context ended after %v, want %v", hangAt, took, sent+trust)
			}
			wantCause(t, cause, leasehold.ErrExpired)
			close(release)
		})
	}
}

func TestHazard02_ValidityCountsFromTheSending(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op == "CreateLease" && call.Done {
				time.Sleep(time.Second) // the reply takes its time
			}
			return nil
		})
		start := time.Now()
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		if got := lock.Deadline().Sub(start); got != trust {
			t.Errorf("the deadline is %v after the sending, want %v", got, trust)
		}
	})
}

func TestHazard03_LossIsToldWithoutPolling(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		told := make(chan error, 1)
		client := open(t, store, leasehold.Config{Observer: leasehold.Observer{
			Lost: func(_ *leasehold.Lock, err *leasehold.LostError) { told <- err },
		}})
		lock := acquire(t, client, "x")
		time.Sleep(time.Minute)
		start := time.Now()
		store.Lose("x")
		took, cause := lossAt(lock, start)
		if took != 0 {
			t.Errorf("told after %v", took)
		}
		wantCause(t, cause, leasehold.ErrLost, leasehold.ErrLeaseGone)
		wantCause(t, <-told, leasehold.ErrLeaseGone)
	})
}

func TestHazard05_KeepaliveSurvivesEveryTransientError(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if rand.N(5) == 0 {
				return errReplyLost
			}
			return nil
		})
		time.Sleep(time.Hour)
		if !lock.Held() {
			t.Errorf("lost: %v", context.Cause(lock.Context()))
		}
	})
}

func TestHazard06_TheCauseOfALossIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		lose func(t *testing.T, store *memory.Store, lock *leasehold.Lock)
		want error
	}{
		"outage": {func(_ *testing.T, s *memory.Store, _ *leasehold.Lock) { s.Down(true) }, leasehold.ErrExpired},
		"gone":   {func(_ *testing.T, s *memory.Store, _ *leasehold.Lock) { s.EndLeases() }, leasehold.ErrLeaseGone},
		"failover": {func(_ *testing.T, s *memory.Store, _ *leasehold.Lock) {
			s.Intercept(func(_ context.Context, call memory.Call) error { return nil })
			s.NewEpoch()
			s.Lose("x")
		}, leasehold.ErrFailedOver},
		"revoked": {func(t *testing.T, s *memory.Store, l *leasehold.Lock) {
			if err := open(t, s, leasehold.Config{Owner: "op"}).Revoke(t.Context(), "x", l.Fence(), "why"); err != nil {
				t.Error(err)
			}
		}, leasehold.ErrRevoked},
		"released": {func(_ *testing.T, _ *memory.Store, l *leasehold.Lock) { l.Close() }, leasehold.ErrReleased},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, store *memory.Store) {
				lock := acquire(t, open(t, store, leasehold.Config{}), "x")
				c.lose(t, store, lock)
				_, cause := lossAt(lock, time.Now())
				wantCause(t, cause, c.want)
				store.Down(false)
			})
		})
	}
}

func TestHazard10_LostReplyToARenewalHarmsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		loseReplies(store, "RenewLease", 5)
		time.Sleep(time.Minute)
		if !lock.Held() {
			t.Fatalf("lost: %v", context.Cause(lock.Context()))
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
		free(t, client, "x")
	})
}

func TestHazard11_AnOutageShorterThanTheTrustLosesNothing(t *testing.T) {
	for range 100 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			lock := acquire(t, open(t, store, leasehold.Config{}), "x")
			time.Sleep(rand.N(20 * time.Second))
			// From the last renewal a third of the TTL may have passed already,
			// and the next attempt comes within TTL/12 of the recovery.
			store.Down(true)
			time.Sleep(trust - ttl/3 - ttl/12)
			store.Down(false)
			time.Sleep(time.Minute)
			if !lock.Held() {
				t.Errorf("lost: %v", context.Cause(lock.Context()))
			}
		})
	}
}

func TestHazard13_TheAcquireContextBoundsTheAcquisitionOnly(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		type key struct{}
		ctx, cancel := context.WithTimeout(context.WithValue(t.Context(), key{}, 7), time.Second)
		lock, err := open(t, store, leasehold.Config{}).Acquire(ctx, "x")
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(time.Hour)
		if !lock.Held() || lock.Context().Err() != nil {
			t.Errorf("lost: %v", context.Cause(lock.Context()))
		}
		if lock.Context().Value(key{}) != 7 {
			t.Error("the values of the context were dropped")
		}
	})
}

func TestNoRenewalAfterTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		first := lock.Hold().Lease
		store.Down(true)
		<-lock.Context().Done()
		store.Down(false) // the row of the lease is still there
		again := acquire(t, open(t, store, leasehold.Config{}), "y")
		if again.Hold().Lease == first {
			t.Error("a dead lease came back")
		}
		next, err := client.Acquire(t.Context(), "z")
		if err != nil {
			t.Fatal(err)
		}
		if next.Hold().Lease == first {
			t.Error("a dead lease came back")
		}
	})
}

func TestOverdueTellsBeforeTheDeadline(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		time.Sleep(time.Minute)
		if lock.Overdue() {
			t.Error("overdue while renewals succeed")
		}
		store.Down(true)
		time.Sleep(6 * time.Second)
		if !lock.Overdue() || !lock.Held() {
			t.Errorf("after 6 s without a renewal: overdue %v, held %v", lock.Overdue(), lock.Held())
		}
		store.Down(false)
		time.Sleep(2 * time.Second)
		if lock.Overdue() {
			t.Error("still overdue after a renewal")
		}
	})
}

func TestNewEpochExtendsNothingUntilTheRowsWereReadAgain(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		start := time.Now()
		store.NewEpoch()
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op == "Read" {
				return errReplyLost
			}
			return nil
		})
		took, cause := lossAt(lock, start)
		if took != trust {
			t.Errorf("trusted for %v, want %v", took, trust)
		}
		wantCause(t, cause, leasehold.ErrExpired)
	})
}

func TestNewEpochWithTheGrantKeepsTheLock(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		lock := acquire(t, open(t, store, leasehold.Config{}), "x")
		store.NewEpoch()
		time.Sleep(time.Minute)
		if !lock.Held() {
			t.Errorf("lost: %v", context.Cause(lock.Context()))
		}
	})
}

func TestBind(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		outer, cancel := context.WithCancel(t.Context())
		first, stop := lock.Bind(outer)
		defer stop()
		cancel()
		synctest.Wait()
		if first.Err() == nil {
			t.Error("the bound context outlived its parent")
		}
		second, stop := lock.Bind(t.Context())
		defer stop()
		store.Lose("x")
		<-second.Done()
		wantCause(t, context.Cause(second), leasehold.ErrLost)
		third, stop := lock.Bind(t.Context())
		defer stop()
		<-third.Done()
		wantCause(t, context.Cause(third), leasehold.ErrLost)
	})
}
