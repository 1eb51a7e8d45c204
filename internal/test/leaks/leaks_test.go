package leaks_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
	"github.com/leaseholdgo/leasehold/sqlite"
)

// TestNothingOutlivesClose uses stores in real time, in all the ways that start a
// goroutine, and expects none to be left when the clients have been closed.
func TestNothingOutlivesClose(t *testing.T) {
	file := filepath.Join(t.TempDir(), "leaks.db")
	for _, test := range []struct {
		name  string
		store driver.Store
	}{
		{"memory", memory.New()},
		{"sqlite", sqlite.Open(file)},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := goleak.IgnoreCurrent()
			busy(t, test.store)
			goleak.VerifyNone(t, before)
		})
	}
}

// busy runs several clients that get in each other's way, and closes them.
func busy(t *testing.T, store driver.Store) {
	var wg sync.WaitGroup
	for i := range 4 {
		client, err := leasehold.Open(t.Context(), store, leasehold.Config{
			TTL: 2 * time.Second, Owner: "client " + strconv.Itoa(i),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		wg.Go(func() { takeTurns(t, client) })
		wg.Go(func() { giveUp(t, client) })
		wg.Go(func() { leaveHeld(t, client, "left "+strconv.Itoa(i)) })
	}
	wg.Wait()
}

// takeTurns waits for a lock that the others want too.
func takeTurns(t *testing.T, client *leasehold.Client) {
	for range 5 {
		err := client.Do(t.Context(), "turns", func(ctx context.Context, lock *leasehold.Lock) error {
			if !lock.Held() {
				return errors.New("not held")
			}
			return ctx.Err()
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// giveUp ends waits, and tries without waiting.
func giveUp(t *testing.T, client *leasehold.Client) {
	for range 5 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		lock, err := client.Acquire(ctx, "turns")
		cancel()
		if err != nil {
			if lock, err = client.TryAcquire(t.Context(), "turns"); err != nil {
				if !errors.Is(err, leasehold.ErrHeld) {
					t.Error(err)
				}
				continue
			}
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
	}
}

// leaveHeld leaves a lock for the client's Close to release.
func leaveHeld(t *testing.T, client *leasehold.Client, name string) {
	if _, err := client.Acquire(t.Context(), name); err != nil {
		t.Error(err)
	}
}
