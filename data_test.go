package leasehold_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

func TestData(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		a, b := open(t, store, leasehold.Config{}), open(t, store, leasehold.Config{})
		want := func(lock *leasehold.Lock, want string) {
			t.Helper()
			got, err := lock.Data(t.Context())
			info, err2 := b.Get(t.Context(), "x")
			if err != nil || err2 != nil || string(got) != want || string(info.Data) != want {
				t.Errorf("%q and %q, errors %v, %v; want %q", got, info.Data, err, err2, want)
			}
		}
		lock := acquireWith(t, a, "x", leasehold.Data([]byte("one")))
		want(lock, "one")
		if err := lock.SetData(t.Context(), []byte("two")); err != nil {
			t.Error(err)
		}
		want(lock, "two")
		lock.Close()
		wantCause(t, lock.SetData(t.Context(), nil), leasehold.ErrNotHeld, leasehold.ErrReleased)
		next := acquireWith(t, b, "x", leasehold.KeepData())
		want(next, "")
		next.SetData(t.Context(), []byte("kept"))
		next.Close()
		last := acquire(t, a, "x")
		want(last, "kept")
		last.SetData(t.Context(), []byte("gone"))
		last.Close()
		want(last, "")
		big := make([]byte, leasehold.MaxData)
		whole := acquireWith(t, a, "x", leasehold.Data(big))
		want(whole, string(big))
		wantCause(t, whole.SetData(t.Context(), append(big, 0)), leasehold.ErrInvalid)
		whole.Close()
	})
}

// The data is there when the acquisition returns, whatever fails meanwhile.
func TestDataThroughTrouble(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		loseReplies(store, "SetData", 3)
		lock := acquireWith(t, client, "x", leasehold.Data([]byte("b")))
		if got, err := lock.Data(t.Context()); err != nil || string(got) != "b" {
			t.Errorf("%q, %v", got, err)
		}
		lock.Close()
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op == "SetData" {
				return memory.ErrDown
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.Acquire(ctx, "x", leasehold.Data([]byte("b")))
		wantCause(t, err, leasehold.ErrUnavailable, context.DeadlineExceeded, memory.ErrDown)
		store.Intercept(nil)
		time.Sleep(time.Second)
		free(t, client, "x")
	})
}

// Who gives up after the grant, because the data cannot be stored, leaves the next one in
// its line with nothing but its turn.
func TestDataThatCannotBeStored(t *testing.T) {
	bubble(t, func(t *testing.T, store *memory.Store) {
		client := open(t, store, leasehold.Config{})
		acquire(t, client, "warm")
		store.Intercept(func(_ context.Context, call memory.Call) error {
			if call.Op == "Release" {
				time.Sleep(time.Second) // and the next one's turn has come before
			}
			if call.Op == "SetData" {
				return memory.ErrDown
			}
			return nil
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go client.Acquire(ctx, "x", leasehold.Data([]byte("b")))
		synctest.Wait()
		got := waitWith(t, client)
		next := <-got
		time.Sleep(time.Minute)
		info, err := client.Get(t.Context(), "x")
		if err != nil || info.Fence != next.Fence() || info.State != leasehold.Held || !next.Held() {
			t.Errorf("%+v, %v; held under %d", info, err, next.Fence())
		}
		store.Intercept(nil)
		next.Close()
		free(t, client, "x")
	})
}
