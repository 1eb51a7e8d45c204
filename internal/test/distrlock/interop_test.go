package distrlock_test

import (
	"context"
	"database/sql"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

func TestInterop_OldHoldsNewTries(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		old := p.old("k", "")
		must(t, old.acquire(t.Context(), time.Minute))
		if p.free("k") {
			t.Error("an old client holds it, and a new one got it")
		}
		must(t, old.extend(t.Context(), time.Minute))
		if p.free("k") {
			t.Error("an old client has extended it, and a new one got it")
		}
		must(t, old.release(t.Context()))
		if !p.free("k") {
			t.Error("an old client has released it, and a new one did not get it")
		}
	})
}

func TestInterop_NewHoldsOldTries(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		old, l := p.old("k", ""), p.lock("k")
		try := func() error { return old.acquire(t.Context(), time.Minute) }
		must(t, l.Acquire(t.Context(), p.db, time.Minute))
		if err := try(); err != errOld {
			t.Errorf("a new client holds it, and an old one tries: %v", err)
		}
		must(t, l.Extend(t.Context(), p.db))
		if err := try(); err != errOld {
			t.Errorf("a new client has extended it, and an old one tries: %v", err)
		}
		must(t, l.Release(t.Context(), p.db))
		must(t, try())
		if err := l.Extend(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("Extend of what an old client holds: %v", err)
		}
		if err := l.Release(t.Context(), p.db); err != distrlock.ErrLockAlreadyReleased {
			t.Errorf("Release of what an old client holds: %v", err)
		}
		if p.free("k") {
			t.Error("the old client lost it")
		}
	})
}

// crashTTL is how long those who crash have held.
const crashTTL = 2 * time.Second

func TestInterop_OldCrashes(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		start := time.Now()
		must(t, p.old("k", "").acquire(t.Context(), crashTTL))
		await(t, "the new client gets it", func() bool { return p.free("k") })
		if took := time.Since(start); took < crashTTL || took > crashTTL+patience {
			t.Errorf("after %v", took)
		}
	})
}

func TestInterop_NewCrashes(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		old := p.old("k", "")
		start := time.Now()
		must(t, p.lock("k").Acquire(t.Context(), p.db, crashTTL))
		await(t, "the old client gets it", func() bool { return old.acquire(t.Context(), time.Minute) == nil })
		if took := time.Since(start); took < crashTTL || took > crashTTL+patience {
			t.Errorf("after %v", took)
		}
	})
}

// Four old and four new clients take turns on one name, each with a pool of its own.
func TestInterop_MixedCrowd(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		var c crowd
		end := c.endsAfter(*crowdTime)
		var wg sync.WaitGroup
		for range 4 {
			old, db := p.old("k", ""), p.open("")
			wg.Go(func() { c.turns(end, t, &c.old, func() (bool, error) { return oldTurn(&c, old) }) })
			wg.Go(func() { c.turns(end, t, &c.new, func() (bool, error) { return newTurn(&c, db, d) }) })
		}
		wg.Wait()
		t.Logf("turns in %v: old %d, new %d", *crowdTime, c.old.Load(), c.new.Load())
		c.judge(t)
	})
}

// crowd counts turns, and those within that should have been alone.
type crowd struct {
	within, overlaps, old, new atomic.Int64
}

func (c *crowd) enter() {
	if c.within.Add(1) != 1 {
		c.overlaps.Add(1)
	}
	time.Sleep(time.Millisecond)
	c.within.Add(-1)
}

// progress is how many turns each kind must have had.
const progress = 5

// endsAfter returns what ends a crowd: the time, but not before both kinds have made progress, for which they have ten
// times as long.
func (c *crowd) endsAfter(d time.Duration) func() bool {
	start := time.Now()
	return func() bool {
		took := time.Since(start)
		return took > d && min(c.old.Load(), c.new.Load()) >= progress || took > 10*d
	}
}

func (c *crowd) judge(t *testing.T) {
	t.Helper()
	if c.overlaps.Load() > 0 {
		t.Errorf("%d times somebody was in who should not be", c.overlaps.Load())
	}
	if c.old.Load() < progress || c.new.Load() < progress {
		t.Errorf("one kind makes no progress: %d and %d turns", c.old.Load(), c.new.Load())
	}
}

func (c *crowd) turns(end func() bool, t *testing.T, done *atomic.Int64, turn func() (bool, error)) {
	for !end() {
		ok, err := turn()
		if err != nil {
			t.Error(err)
			return
		}
		if ok {
			done.Add(1)
		}
		time.Sleep(time.Millisecond)
	}
}

const turnTTL = 30 * time.Second // no turn is that long

func oldTurn(c *crowd, old *oldLock) (bool, error) {
	ctx := context.Background()
	if err := old.acquire(ctx, turnTTL); err != nil {
		if err == errOld {
			err = nil
		}
		return false, err
	}
	c.enter()
	return true, old.release(ctx)
}

func newTurn(c *crowd, db *sql.DB, d distrlock.Dialect) (bool, error) {
	err := distrlock.DoExclusively(context.Background(), db, d, "k", func(context.Context) error {
		c.enter()
		return nil
	}, distrlock.WithLockTTL(turnTTL))
	if errors.Is(err, distrlock.ErrLockAlreadyAcquired) {
		return false, nil
	}
	return err == nil, err
}
