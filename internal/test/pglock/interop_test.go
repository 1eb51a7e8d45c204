package pglock_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
	"github.com/leaseholdgo/leasehold/internal/test/pglock/oldclient"
)

// old returns a client of the original.
func (db *database) old(lease time.Duration) *oldclient.Client {
	return &oldclient.Client{DB: db.DB, Table: "locks", Owner: "old", Lease: lease, Heartbeat: lease / 4}
}

// oldAcquire returns a lock of the original's, whose heartbeats end with the test or stop.
func oldAcquire(t *testing.T, c *oldclient.Client, name string) (held *oldclient.Held, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	held, err := c.Acquire(ctx, name)
	must(t, err)
	beats, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- held.Keep(beats) }()
	stop = sync.OnceValue(func() error {
		end()
		return <-done
	})
	t.Cleanup(func() { _ = stop() })
	return held, stop
}

func TestInterop_OldHoldsAndNewWaits(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		held, stop := oldAcquire(t, db.old(longLease/2), "a")
		got := acquiring(t, db.client(pglock.WithLeaseDuration(longLease/2), pglock.WithHeartbeatFrequency(longLease/8)), "a")
		select {
		case <-got:
			t.Fatal("it was granted the lock of one who lives")
		case <-time.After(longLease):
		}
		must(t, stop())
		must(t, held.Release(t.Context()))
		released := time.Now()
		l := <-got
		if took := time.Since(released); took > 2*time.Second {
			t.Errorf("it waited for another %v after the release", took)
		}
		must(t, l.Close())
	})
}

func TestInterop_NewHoldsAndOldWaits(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		l := acquire(t, db.client(pglock.WithLeaseDuration(longLease/2), pglock.WithHeartbeatFrequency(longLease/8)), "a")
		old := db.old(longLease / 2)
		var granted atomic.Bool
		done := make(chan error, 1)
		go func() {
			held, err := old.Acquire(t.Context(), "a")
			granted.Store(true)
			if err == nil {
				err = held.Release(t.Context())
			}
			done <- err
		}()
		time.Sleep(2 * old.Lease)
		if granted.Load() || l.IsReleased() {
			t.Fatal("it was granted the lock of one who lives")
		}
		must(t, l.Close())
		released := time.Now()
		must(t, <-done)
		if took := time.Since(released); took > old.Lease+2*time.Second {
			t.Errorf("it waited for another %v after the release", took)
		}
	})
}

func TestInterop_OldCrashes(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		_, stop := oldAcquire(t, db.old(shortLease), "a")
		must(t, stop())
		died := time.Now()
		l := acquire(t, db.client(brief(nil)...), "a")
		if took := time.Since(died); took < shortLease || took > shortLease+15*time.Second {
			t.Errorf("it was taken over after %v", took)
		}
		must(t, l.Close())
	})
}

func TestInterop_NewCrashes(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		p := db.through()
		l := acquire(t, newClient(t, p.DB, brief(nil)...), "a")
		p.hole(true)
		died := time.Now()
		held, err := db.old(shortLease).Acquire(t.Context(), "a")
		must(t, err)
		if !l.IsReleased() {
			t.Error("an old client holds the lock and the new one believes in it")
		}
		if took := time.Since(died); took > 3*shortLease+15*time.Second {
			t.Errorf("it was taken over after %v", took)
		}
		p.hole(false)
		time.Sleep(shortLease / 2) // what was held back arrives
		must(t, held.Beat(t.Context()))
		must(t, held.Release(t.Context()))
		_ = l.Close() // it was lost
	})
}

var crowdTime = flag.Duration("crowd", 8*time.Second, "how long a mixed crowd competes")

// TestInterop_Crowd: four old and four new clients compete for one name.
func TestInterop_Crowd(t *testing.T) {
	each(t, func(t *testing.T, db *database) {
		d := *crowdTime
		if testing.Short() {
			d = min(d, 5*time.Second)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*d)
		defer cancel()
		crowd := crowd{inside: map[*func() bool]struct{}{}}
		time.AfterFunc(d, func() {
			for ctx.Err() == nil && (crowd.old.Load() == 0 || crowd.fresh.Load() == 0) {
				time.Sleep(10 * time.Millisecond)
			}
			cancel()
		})
		var wg sync.WaitGroup
		for i := range 4 {
			old, c := db.old(shortLease), newClient(t, db.DB, brief(nil)...)
			old.Owner = fmt.Sprint("old-", i)
			wg.Go(func() {
				crowd.compete(ctx, t, &crowd.old, func() (func() bool, func(), error) { return oldTurn(ctx, old) })
			})
			wg.Go(func() {
				crowd.compete(ctx, t, &crowd.fresh, func() (func() bool, func(), error) { return newTurn(ctx, c) })
			})
		}
		wg.Wait()
		t.Logf("in %v the old had %d turns, the new %d", d, crowd.old.Load(), crowd.fresh.Load())
		if crowd.overlaps.Load() > 0 {
			t.Errorf("%d overlaps", crowd.overlaps.Load())
		}
		if crowd.old.Load() == 0 || crowd.fresh.Load() == 0 {
			t.Error("some made no progress")
		}
	})
}

// crowd counts who has had a turn, and how often two had one at the same time.
type crowd struct {
	overlaps, old, fresh atomic.Int64

	mu     sync.Mutex
	inside map[*func() bool]struct{} // what tells whether they believe that they hold
}

// enter notes one more holder.
func (c *crowd) enter(believes *func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for other := range c.inside {
		if (*other)() {
			c.overlaps.Add(1)
		}
	}
	c.inside[believes] = struct{}{}
}

func (c *crowd) leave(believes *func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.inside, believes)
}

// compete takes turns until ctx ends. turn returns whether the holder still believes that it
// holds, and what ends its turn.
func (c *crowd) compete(ctx context.Context, t *testing.T, turns *atomic.Int64, turn func() (believes func() bool, end func(), err error)) {
	for ctx.Err() == nil {
		believes, end, err := turn()
		var unavailable *pglock.UnavailableError
		switch {
		case ctx.Err() != nil && err != nil:
			return
		case errors.As(err, &unavailable):
			continue // a machine at work
		case err != nil:
			t.Error(err)
			return
		}
		c.enter(&believes)
		time.Sleep(10 * time.Millisecond)
		turns.Add(1)
		c.leave(&believes)
		end()
	}
}

func newTurn(ctx context.Context, c *pglock.Client) (func() bool, func(), error) {
	l, err := c.AcquireContext(ctx, "hot")
	if err != nil {
		return nil, nil, err
	}
	return func() bool { return !l.IsReleased() }, func() { _ = l.Close() }, nil
}

func oldTurn(ctx context.Context, c *oldclient.Client) (func() bool, func(), error) {
	held, err := c.Acquire(ctx, "hot")
	if err != nil {
		return nil, nil, err
	}
	return func() bool { return true }, func() { _ = held.Release(context.WithoutCancel(ctx)) }, nil
}
