package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// Processes share a name; a writer waits for all of them, and they for it. Where readers of
// one process have gone and its writer is next, other processes' readers still count.
func TestSessionSharedBetweenProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.client(), s.client()
	one, two := s.acquire(a, "x", leasehold.Shared()), s.acquire(b, "x", leasehold.Shared())
	s.refused(a, "x")
	s.refused(b, "x")
	got := s.waits(a, "x") // behind a reader of its own, and one elsewhere
	await(t, "the writer waits", func() bool {
		info, err := a.Get(t.Context(), "x")
		return err == nil && len(info.Waiters) == 1
	})
	s.release(one)
	select {
	case <-got:
		t.Fatal("a writer beside a reader of another process")
	case <-time.After(100 * time.Millisecond):
	}
	s.release(two)
	writer := s.within(prompt, "the writer", got)
	s.refused(b, "x", leasehold.Shared())
	reader := s.waits(a, "x", leasehold.Shared())
	s.release(writer)
	last := s.within(prompt, "a reader of the same process", reader)
	more := s.acquire(b, "x", leasehold.Shared())
	if last.Fence() <= writer.Fence() || more.Fence() <= writer.Fence() {
		t.Errorf("fences %d and %d after %d", last.Fence(), more.Fence(), writer.Fence())
	}
	s.release(last)
	s.release(more)
	s.free("x")
}

// Clients of several processes, two in each, alone and shared: never two that may not, and
// fences that rise.
func TestSessionExclusionBetweenProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var mu sync.Mutex
	inside, alone, last := 0, 0, uint64(0)
	var wg sync.WaitGroup
	for range 3 {
		store := NewSession(s.pool, s.cfg)
		for range 2 {
			c := s.clientOf(store, testTTL)
			for range 2 {
				wg.Go(func() {
					for range 15 {
						var opts []leasehold.Option
						if rand.IntN(3) == 0 {
							opts = append(opts, leasehold.Shared())
						}
						lock := s.acquire(c, "x", opts...)
						mu.Lock()
						inside++
						if opts == nil {
							alone++
						}
						if alone > 0 && inside > 1 {
							t.Errorf("%d inside, %d of them alone", inside, alone)
						}
						if opts == nil && lock.Fence() <= last {
							t.Errorf("fence %d after %d", lock.Fence(), last)
						}
						last = max(last, lock.Fence())
						mu.Unlock()
						time.Sleep(rand.N(time.Millisecond)) // others come meanwhile
						mu.Lock()
						inside--
						if opts == nil {
							alone--
						}
						mu.Unlock()
						s.release(lock)
					}
				})
			}
		}
	}
	wg.Wait()
	s.free("x")
}

// Fences rise where the table was lost, where the clock was set back, and from one session
// to the next; they follow the server's clock, whatever the zone, and no client's.
func TestHazard26_SessionFencesFollowTheServersClock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	now := func() int64 {
		return value[int64](t, s.pool, `SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::int8`)
	}
	before := now()
	lock := s.acquire(c, "a")
	if f := int64(lock.Fence()); f < before || f > now() {
		t.Errorf("fence %d, the clock went from %d to %d", f, before, now())
	}
	s.release(lock)
	table := s.cfg.Schema + ".fence"
	execSQL(t, s.pool, `UPDATE `+table+` SET last = last + 3600000000`) // as if the clock had been set back since
	ahead := s.acquire(c, "a")
	if ahead.Fence() < lock.Fence()+3600000000 {
		t.Errorf("fence %d after one of an hour ahead of %d", ahead.Fence(), lock.Fence())
	}
	s.release(ahead)
	execSQL(t, s.pool, `UPDATE `+table+` SET last = 0`)
	again := s.acquire(s.client(), "b")
	if again.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.release(again)
}

// Without fences nothing is made and nothing written.
func TestSessionWithoutFences(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(cfg *SessionConfig) { cfg.NoFence = true })
	a, b := s.client(), s.client()
	for range 3 {
		lock := s.acquire(a, "x")
		s.refused(b, "x")
		if lock.Fence() != 0 {
			t.Errorf("fence %d", lock.Fence())
		}
		got := s.waits(b, "x")
		s.release(lock)
		s.release(s.within(prompt, "the next holder", got))
	}
	if value[bool](t, s.pool, `SELECT to_regnamespace($1) IS NOT NULL`, s.cfg.Schema) {
		t.Error("a schema was made")
	}
}

// The table of fences is missing or may not be made: the error says what to do.
func TestSessionManualSchema(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(cfg *SessionConfig) { cfg.ManualSchema = true })
	_, err := leasehold.Open(t.Context(), NewSession(s.pool, s.cfg), leasehold.Config{})
	wantPermanent(t, err, "SessionMigrationSQL", "NoFence")
	sql, err := SessionMigrationSQL(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		execSQL(t, s.pool, `DO $x$ BEGIN `+sql+` END $x$`)
	}
	lock := s.acquire(s.client(), "x")
	if lock.Fence() == 0 {
		t.Error("no fence")
	}
	s.release(lock)
	_, err = leasehold.Open(t.Context(), NewSession(s.pool, SessionConfig{Schema: "pg_x"}), leasehold.Config{})
	wantPermanent(t, err, "pg_")
}

// Thousands of names come and go: what the process remembers of them is bounded.
func TestSessionForgetsNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 150 {
				s.release(s.acquire(c, fmt.Sprint(i, "/", j)))
			}
		})
	}
	wg.Wait()
	known := 0
	for _, err := range c.List(t.Context(), leasehold.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		known++
	}
	if known > 5000 {
		t.Errorf("%d names are remembered", known)
	}
}

// A process whose goroutines pass a name among themselves, and take it again and again, lets
// others have it; readers who overlap let in a writer of another process.
func TestHazard17_ProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	for what, opts := range map[string][]leasehold.Option{"alone": nil, "shared": {leasehold.Shared()}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			overlap := time.Duration(len(opts)) * 5 * time.Millisecond // there is always a reader
			s := newSite(t)
			hot, other := s.client(), s.client()
			ctx, stop := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for ctx.Err() == nil {
						lock, err := hot.Acquire(ctx, "x", opts...)
						if err != nil {
							return
						}
						time.Sleep(rand.N(2*time.Millisecond) + overlap) // work
						s.release(lock)
					}
				})
			}
			for range 5 {
				start := time.Now()
				lock := s.acquire(other, "x")
				if took := time.Since(start); took > 5*time.Second { // a turn takes a tenth of a second
					t.Errorf("waited %v", took)
				}
				s.release(lock)
			}
			stop()
			wg.Wait()
			s.free("x")
		})
	}
}
