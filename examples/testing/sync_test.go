package testing_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	example "github.com/leaseholdgo/leasehold/examples/testing"
	"github.com/leaseholdgo/leasehold/memory"
)

// start returns a client on a store of its own. Both must be made in the bubble.
func start(t *testing.T) (*memory.Store, *leasehold.Client) {
	store := memory.New()
	client, err := leasehold.Open(t.Context(), store, leasehold.Config{TTL: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return store, client
}

func TestSyncStopsWhenTheLockIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, client := start(t)
		batches := 0
		err := example.Sync(t.Context(), client, func(context.Context) (bool, error) {
			if batches++; batches == 3 {
				store.Lose("sync")
			}
			return true, nil
		})
		if !errors.Is(err, leasehold.ErrLost) || batches != 3 {
			t.Errorf("error %v after %d batches", err, batches)
		}
	})
}

func TestSyncStopsInTimeWhenTheDatabaseIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, client := start(t)
		began := time.Now()
		err := example.Sync(t.Context(), client, func(context.Context) (bool, error) {
			store.Down(true)
			return true, nil
		})
		if !errors.Is(err, leasehold.ErrExpired) || time.Since(began) > 10*time.Second {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
	})
}

func TestSyncFinishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, client := start(t)
		left := 5
		err := example.Sync(t.Context(), client, func(context.Context) (bool, error) {
			left--
			return left > 0, nil
		})
		if err != nil || left != 0 {
			t.Errorf("error %v, %d batches left", err, left)
		}
	})
}
