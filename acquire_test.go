package leasehold_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestFencesRise(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client, last := open(t, store, leasehold.Config{}), uint64(0)
		for range 100 {
			lock := acquire(t, client, "x")
			if lock.Fence() <= last {
				t.Fatalf("fence %d after %d", lock.Fence(), last)
			}
			last = lock.Fence()
			if err := lock.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestWaitersAreServedInOrder(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 20 {
			client := open(t, store, leasehold.Config{})
			wg.Go(func() {
				lock := acquire(t, client, "x")
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Minute)
				lock.Close()
			})
			synctest.Wait()
		}
		held.Close()
		wg.Wait()
		for i, got := range order {
			if got != i {
				t.Fatalf("order %v", order)
			}
		}
	})
}

func TestHazard16_HandOverDoesNotWaitForAPoll(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		waiter := open(t, store, leasehold.Config{})
		got := make(chan time.Time)
		go func() {
			lock := acquire(t, waiter, "x")
			defer lock.Close()
			got <- time.Now()
		}()
		time.Sleep(time.Minute + time.Millisecond)
		released := time.Now()
		held.Close()
		if d := (<-got).Sub(released); d != 0 {
			t.Errorf("handed over after %v of virtual time", d)
		}
	})
}

func TestTakeOverOfADeadHolderByAWaiter(t *testing.T) {
	for range 200 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			held := acquire(t, open(t, store, leasehold.Config{}), "x")
			waiter := open(t, store, leasehold.Config{})
			got := make(chan time.Time)
			go func() {
				lock := acquire(t, waiter, "x")
				got <- time.Now()
				lock.Close()
			}()
			time.Sleep(rand.N(30 * time.Second))
			died := time.Now()
			deadline := held.Deadline()
			vanish(held)
			at := <-got
			if !at.After(deadline) {
				t.Errorf("taken over %v before the trust deadline", deadline.Sub(at))
			}
			if d := at.Sub(died); d > ttl+margin+100*time.Millisecond {
				t.Errorf("taken over %v after the death", d)
			}
		})
	}
}

func TestHazard12_TheHoldersTTLCounts(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{TTL: time.Minute, Tolerance: -1}), "x")
		waiter := open(t, store, leasehold.Config{TTL: time.Second, Tolerance: -1})
		deadline := held.Deadline()
		vanish(held)
		lock := acquire(t, waiter, "x")
		if !time.Now().After(deadline) {
			t.Errorf("a short TTL stole from a long one, %v early", time.Until(deadline))
		}
		lock.Close()
	})
}

func TestHazard15_TryTakesOverFromADeadHolder(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{Owner: "worker"}), "x")
		died := time.Now()
		vanish(held)
		try := open(t, store, leasehold.Config{})
		for {
			lock, err := try.TryAcquire(t.Context(), "x")
			if err == nil {
				lock.Close()
				break
			}
			var he *leasehold.HeldError
			if !errors.As(err, &he) || !errors.Is(err, leasehold.ErrHeld) || he.Holder.Owner != "worker" || he.Fence != held.Fence() {
				t.Fatalf("error %v", err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		// TTL + tolerance by the store's clock; the tolerance is one TTL.
		if d := time.Since(died); d < 2*ttl || d > 2*ttl+20*time.Millisecond {
			t.Errorf("taken over after %v, want %v", d, 2*ttl)
		}
	})
}

func TestToleranceNever(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		vanish(acquire(t, open(t, store, leasehold.Config{}), "x"))
		time.Sleep(24 * time.Hour)
		client := open(t, store, leasehold.Config{Tolerance: -1})
		if _, err := client.TryAcquire(t.Context(), "x"); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("a clock decided: %v", err)
		}
		start := time.Now()
		acquire(t, client, "x").Close()
		if d := time.Since(start); d < ttl+margin {
			t.Errorf("expired after only %v of observation", d)
		}
	})
}

func TestHazard18_DeadWaitersDelayByOneTTL(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		for range 10 {
			dead := open(t, store, leasehold.Config{})
			anchor := acquire(t, dead, fmt.Sprint("anchor ", rand.Int()))
			go dead.Acquire(t.Context(), "x")
			synctest.Wait()
			vanish(anchor)
		}
		live := open(t, store, leasehold.Config{})
		got := make(chan time.Time)
		go func() {
			lock := acquire(t, live, "x")
			got <- time.Now()
			lock.Close()
		}()
		synctest.Wait()
		start := time.Now()
		held.Close()
		if d := (<-got).Sub(start); d > ttl+margin+100*time.Millisecond {
			t.Errorf("ten dead waiters delayed a live one by %v", d)
		}
	})
}

func TestHazard09_CancelledAcquireLeavesNothing(t *testing.T) {
	for name, holder := range map[string]bool{"free": false, "held": true} {
		t.Run(name, func(t *testing.T) {
			for range 200 {
				bubble(t, func(t *testing.T, store *memory.Store) {
					client := open(t, store, leasehold.Config{})
					acquire(t, client, "warm").Close()
					var held *leasehold.Lock
					if holder {
						held = acquire(t, open(t, store, leasehold.Config{}), "x")
					}
					store.Intercept(func(_ context.Context, call memory.Call) error {
						time.Sleep(rand.N(10 * time.Millisecond)) // a network
						return nil
					})
					ctx, cancel := context.WithTimeout(t.Context(), rand.N(30*time.Millisecond))
					defer cancel()
					lock, err := client.Acquire(ctx, "x")
					if err == nil {
						lock.Close()
					} else {
						wantCause(t, err, context.DeadlineExceeded)
					}
					if held != nil {
						held.Close()
					}
					time.Sleep(time.Second)
					free(t, client, "x")
				})
			}
		})
	}
}

func TestHazard20_OneTransientErrorDoesNotEndAWait(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{}), "x")
		waiter := open(t, store, leasehold.Config{})
		got := make(chan error)
		go func() {
			lock, err := waiter.Acquire(t.Context(), "x")
			got <- err
			if err == nil {
				lock.Close()
			}
		}()
		for range 20 {
			store.Down(true)
			time.Sleep(time.Second)
			store.Down(false)
			time.Sleep(time.Second)
		}
		held.Close()
		if err := <-got; err != nil {
			t.Error(err)
		}
	})
}

func TestWaiterOutlivesItsLease(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{TTL: time.Minute}), "x")
		waiter := open(t, store, leasehold.Config{})
		got := make(chan struct{})
		go func() {
			defer close(got)
			acquire(t, waiter, "x").Close()
		}()
		synctest.Wait()
		store.Down(true)
		time.Sleep(2 * ttl) // the waiter's lease is over, the holder's is not
		store.Down(false)
		time.Sleep(time.Second)
		held.Close()
		<-got
		free(t, waiter, "x")
	})
}

func TestLostRepliesLeaveNoGhost(t *testing.T) {
	for _, op := range []string{"CreateLease", "Acquire", "Release", "Read", "EndLease"} {
		t.Run(op, func(t *testing.T) {
			bubble(t, func(t *testing.T, store *memory.Store) {
				client := open(t, store, leasehold.Config{})
				loseReplies(store, op, 2)
				for range 3 {
					lock := acquire(t, client, "x")
					if err := lock.Close(); err != nil {
						t.Error(err)
					}
				}
				store.Intercept(nil)
				free(t, client, "x")
			})
		})
	}
}

func TestWaitEndedByItsContextNamesTheHolder(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		held := acquire(t, open(t, store, leasehold.Config{Owner: "worker-1"}), "x")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		_, err := open(t, store, leasehold.Config{}).Acquire(ctx, "x")
		if d := time.Since(start); d != time.Minute {
			t.Errorf("returned after %v", d)
		}
		wantCause(t, err, leasehold.ErrHeld, context.DeadlineExceeded)
		var he *leasehold.HeldError
		if !errors.As(err, &he) || he.Holder.Owner != "worker-1" || he.Fence != held.Fence() {
			t.Errorf("error %v", err)
		}
	})
}

func TestSameClientWaitsForItself(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		lock := acquire(t, client, "x")
		if _, err := client.TryAcquire(t.Context(), "x"); !errors.Is(err, leasehold.ErrHeld) {
			t.Errorf("re-entered: %v", err)
		}
		go func() {
			time.Sleep(time.Second)
			lock.Close()
		}()
		second := acquire(t, client, "x")
		if second.Fence() <= lock.Fence() {
			t.Error("the fence did not rise")
		}
	})
}

func TestUnavailableTryGivesUpAfterTheTTL(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		store.Down(true)
		start := time.Now()
		_, err := client.TryAcquire(t.Context(), "x")
		wantCause(t, err, leasehold.ErrUnavailable, memory.ErrDown)
		if d := time.Since(start); d < ttl || d > ttl+2*time.Second {
			t.Errorf("gave up after %v", d)
		}
		store.Down(false)
	})
}

func TestHazard40_NamesThatCannotBe(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		for what, name := range map[string]string{
			"empty": "", "too long": strings.Repeat("x", leasehold.MaxName+1), "NUL": "a\x00b", "not UTF-8": "a\xff",
		} {
			if _, err := client.Acquire(t.Context(), name); !errors.Is(err, leasehold.ErrInvalid) {
				t.Errorf("%s: %v", what, err)
			}
			if _, err := client.TryAcquire(t.Context(), name); !errors.Is(err, leasehold.ErrInvalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		acquire(t, client, strings.Repeat("x", leasehold.MaxName)).Close()
	})
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"", "x", "a\x00", "\xff", "é", strings.Repeat("x", 1025)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := leasehold.CheckName(name)
		bad := name == "" || len(name) > 1024 || strings.ContainsRune(name, 0) || strings.ToValidUTF8(name, "") != name
		if (err != nil) != bad {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	})
}

// The turn comes at the very instant at which the context ends: either the lock is
// returned, or an error and nothing is held.
func TestHazard36_GrantedAndTimedOutAtOnce(t *testing.T) {
	granted := 0
	for range 300 {
		bubble(t, func(t *testing.T, store *memory.Store) {
			client := open(t, store, leasehold.Config{})
			held := acquire(t, open(t, store, leasehold.Config{}), "x")
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			go func() {
				time.Sleep(time.Minute)
				held.Close()
			}()
			lock, err := client.Acquire(ctx, "x")
			switch {
			case (lock == nil) == (err == nil):
				t.Errorf("lock %v and error %v", lock, err)
			case lock != nil:
				granted++
				if !lock.Held() {
					t.Error("returned a lock that is not held")
				}
				lock.Close()
			}
			time.Sleep(time.Second)
			free(t, client, "x")
		})
	}
	t.Logf("granted %d times of 300", granted)
}
