package postgres

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

// Processes share a name; a writer waits for all of them, and they for it. Where readers of
// one process have gone and its writer is next, other processes' readers still count.
func TestSessionSharedBetweenProcesses(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.Client(), s.Client()
	one, two := s.Acquire(a, "x", leasehold.Shared()), s.Acquire(b, "x", leasehold.Shared())
	s.Refused(a, "x")
	s.Refused(b, "x")
	got := s.Waits(a, "x") // behind a reader of its own, and one elsewhere
	s.AwaitWaiter(a, "x")
	s.Release(one)
	select {
	case <-got:
		t.Fatal("a writer beside a reader of another process")
	case <-time.After(100 * time.Millisecond):
	}
	s.Release(two)
	writer := s.Within(sessiontest.Prompt, "the writer", got)
	s.Refused(b, "x", leasehold.Shared())
	reader := s.Waits(a, "x", leasehold.Shared())
	s.Release(writer)
	last := s.Within(sessiontest.Prompt, "a reader of the same process", reader)
	more := s.Acquire(b, "x", leasehold.Shared())
	if last.Fence() <= writer.Fence() || more.Fence() <= writer.Fence() {
		t.Errorf("fences %d and %d after %d", last.Fence(), more.Fence(), writer.Fence())
	}
	s.Release(last)
	s.Release(more)
	s.Free("x")
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
			c := s.ClientOf(store, testTTL)
			for range 2 {
				wg.Go(func() {
					for range 15 {
						var opts []leasehold.Option
						if rand.IntN(3) == 0 {
							opts = append(opts, leasehold.Shared())
						}
						lock := s.Acquire(c, "x", opts...)
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
						s.Release(lock)
					}
				})
			}
		}
	}
	wg.Wait()
	s.Free("x")
}

func TestHazard26_SessionFencesFollowTheServersClock(t *testing.T) {
	t.Parallel()
	sessiontest.FencesFollowTheServersClock(newSite(t).Site)
}

// Without fences nothing is made and nothing written.
func TestSessionWithoutFences(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(cfg *SessionConfig) { cfg.NoFence = true })
	a, b := s.Client(), s.Client()
	for range 3 {
		lock := s.Acquire(a, "x")
		s.Refused(b, "x")
		if lock.Fence() != 0 {
			t.Errorf("fence %d", lock.Fence())
		}
		got := s.Waits(b, "x")
		s.Release(lock)
		s.Release(s.Within(sessiontest.Prompt, "the next holder", got))
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
	lock := s.Acquire(s.Client(), "x")
	if lock.Fence() == 0 {
		t.Error("no fence")
	}
	s.Release(lock)
	_, err = leasehold.Open(t.Context(), NewSession(s.pool, SessionConfig{Schema: "pg_x"}), leasehold.Config{})
	wantPermanent(t, err, "pg_")
}

// Thousands of names come and go: what the process remembers of them is bounded.
func TestSessionForgetsNames(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.Client()
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 150 {
				s.Release(s.Acquire(c, fmt.Sprint(i, "/", j)))
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

// Readers who overlap let in a writer of another process, too.
func TestHazard17_ProcessesTakeTurns(t *testing.T) {
	t.Parallel()
	for what, opts := range map[string][]leasehold.Option{"alone": nil, "shared": {leasehold.Shared()}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			sessiontest.TakeTurns(newSite(t).Site, opts...)
		})
	}
}
