package advisory_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

func TestKeep_ACancelledContextMakesNoLock(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		db := open(t, driver)
		if l, err := pglock.New(ctx, 1, db); l != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", l, err)
		}
		if n := db.Stats().InUse; n != 0 {
			t.Errorf("%d connections are in use", n)
		}
	})
}

// Others see what is held, in both modes, and n acquisitions need n unlocks; the modes count separately.
func TestKeep_HoldsStack(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		ctx, key := t.Context(), newKey()
		l, o := newLock(t, open(t, driver), key), newOther(t, key)
		must(t, l.Lock(ctx))
		ok, err := l.TryLock(ctx)
		yes(t, "TryLock of what this session holds", ok, err)
		must(t, l.RLock(ctx))
		ok, err = l.TryRLock(ctx)
		yes(t, "TryRLock of what this session holds", ok, err)
		must(t, l.Unlock(ctx))
		if o.sharable() {
			t.Error("one of two exclusive holds was given back, and another can share it")
		}
		must(t, l.Unlock(ctx))
		if !o.sharable() || o.free() {
			t.Error("two shared holds are left, and another cannot share the lock, or has it alone")
		}
		must(t, l.RUnlock(ctx))
		if o.free() {
			t.Error("a shared hold is left, and another has the lock alone")
		}
		must(t, l.RUnlock(ctx))
		if !o.free() {
			t.Error("all was given back, and it is not free")
		}
	})
}

func TestKeep_UnlockingWhatIsNotHeldIsNil(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		l := newLock(t, open(t, driver), newKey())
		must(t, l.Unlock(t.Context()))
		must(t, l.RUnlock(t.Context()))
		must(t, l.RLock(t.Context()))
		must(t, l.Unlock(t.Context())) // the other mode
		must(t, l.RUnlock(t.Context()))
	})
}

func TestKeep_TryReportsAndDoesNotWait(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key := newKey()
		l, o := newLock(t, open(t, driver), key), newOther(t, key)
		o.say("pg_advisory_lock_shared")
		if ok, err := l.TryLock(t.Context()); ok || err != nil {
			t.Errorf("TryLock beside a reader: %v, %v", ok, err)
		}
		ok, err := l.TryRLock(t.Context())
		yes(t, "TryRLock beside a reader", ok, err)
		must(t, l.RUnlock(t.Context()))
		o.say("pg_advisory_unlock_shared")
		o.say("pg_advisory_lock")
		if ok, err := l.TryRLock(t.Context()); ok || err != nil {
			t.Errorf("TryRLock beside a writer: %v, %v", ok, err)
		}
	})
}

func TestKeep_WaitsAreServedFirstComeFirst(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key, db := newKey(), open(t, driver)
		o := newOther(t, key)
		o.say("pg_advisory_lock")
		var mu sync.Mutex
		var order []int
		var wg sync.WaitGroup
		for i := range 4 {
			l := newLock(t, db, key)
			wg.Go(func() {
				if err := l.Lock(t.Context()); err != nil {
					t.Error(err)
				}
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				if err := l.Unlock(t.Context()); err != nil {
					t.Error(err)
				}
			})
			await(t, "it waits", func() bool { return locks(t, db, key, false) == i+1 })
		}
		o.say("pg_advisory_unlock")
		wg.Wait()
		if !slices.Equal(order, []int{0, 1, 2, 3}) {
			t.Errorf("served in the order %v", order)
		}
	})
}

func TestKeep_ACancelledWaitMentionsTheContext(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		key := newKey()
		l, o := newLock(t, open(t, driver), key), newOther(t, key)
		o.say("pg_advisory_lock")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := l.Lock(ctx)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), context.DeadlineExceeded.Error()) {
			t.Errorf("%v", err)
		}
	})
}

// The numbers are those of the original.
func TestKeep_Hash(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"test":  -439409999022904539,
		"test2": 2271361535601096725,
		"a":     -5808556873153909620,
		"":      -3750763034362895579,
	} {
		if got := pglock.Hash(name); got != want {
			t.Errorf("Hash(%q) is %d, not %d", name, got, want)
		}
	}
}

// The ends of the range of keys are keys.
func TestKeep_KeysOfEverySize(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		db := open(t, driver)
		for _, key := range []int64{-1 << 63, -1, 0, 1<<63 - 1} {
			l, err := pglock.New(t.Context(), key, db)
			must(t, err)
			must(t, l.Lock(t.Context())) // the other driver's turn may come first
			if locks(t, db, key, true) != 1 {
				t.Errorf("the server does not show the key %d", key)
			}
			must(t, l.Close())
		}
	})
}
