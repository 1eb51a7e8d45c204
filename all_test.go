package leasehold_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestAcquireAll(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		locks, err := client.AcquireAll(t.Context(), []string{"c", "a", "b"})
		if err != nil || len(locks) != 3 {
			t.Fatal(locks, err)
		}
		for i, want := range []string{"c", "a", "b"} {
			if locks[i].Name() != want || !locks[i].Held() {
				t.Errorf("lock %d is %q", i, locks[i].Name())
			}
			locks[i].Close()
		}
		for _, names := range [][]string{{"a", "b", "a"}, {"a", ""}} {
			if _, err := client.AcquireAll(t.Context(), names); !errors.Is(err, leasehold.ErrInvalid) {
				t.Errorf("%q: %v", names, err)
			}
		}
		if none, err := client.AcquireAll(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("%v, %v", none, err)
		}
	})
}

func TestAcquireAllHoldsNothingAfterAnError(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		held := acquire(t, b, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := a.AcquireAll(ctx, []string{"b", "a"})
		wantCause(t, err, leasehold.ErrHeld, context.DeadlineExceeded)
		free(t, b, "a")

		start := time.Now()
		done := make(chan error)
		go func() {
			_, err := a.AcquireAll(t.Context(), []string{"b", "a"})
			done <- err
		}()
		time.Sleep(time.Minute)
		store.Lose("a")
		wantCause(t, <-done, leasehold.ErrLost)
		if d := time.Since(start); d > time.Minute+time.Second {
			t.Errorf("returned after %v", d)
		}
		synctest.Wait() // the attempt that waited for b is let go of in the background
		held.Close()
		free(t, b, "a")
		free(t, b, "b")
	})
}

func TestAcquireAllsDoNotDeadlock(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		clients := []*leasehold.Client{open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})}
		var wg sync.WaitGroup
		for i := range 50 {
			names := []string{"a", "b", "c", "d"}
			rand.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
			wg.Go(func() {
				locks, err := clients[i%2].AcquireAll(t.Context(), names[:3])
				if err != nil {
					t.Error(err)
				}
				for _, lock := range locks {
					lock.Close()
				}
			})
		}
		wg.Wait()
	})
}
