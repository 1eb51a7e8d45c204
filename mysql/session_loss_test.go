package mysql

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// prompt is five times what a killed session may take to be noticed.
const prompt = 500 * time.Millisecond

// An operator kills the session: its locks' contexts end at once, saying why, and who waits
// in another process holds the lock soon after. The client goes on with a new session.
func TestHazard03_SessionKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.client(), s.client()
	lock, other := s.acquire(a, "x"), s.acquire(a, "y")
	got := s.waits(b, "x")
	s.awaitPolls(b, "x")
	ctxs := []context.Context{lock.Context(), other.Context()}
	start := time.Now()
	execSQL(t, s.db, "KILL CONNECTION "+number(s.user("x")))
	for _, ctx := range ctxs {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			t.Fatal("the holder is not told")
		}
	}
	took := time.Since(start)
	next := s.within(prompt, "the next waiter", got)
	t.Logf("told after %v, next holder after %v", took, time.Since(start))
	if took > prompt {
		t.Errorf("the holder was told after %v", took)
	}
	cause := context.Cause(ctxs[0])
	if !errors.Is(cause, leasehold.ErrLost) || !errors.Is(cause, leasehold.ErrLeaseGone) || !errors.Is(cause, errEnded) {
		t.Errorf("lost because of %v", cause)
	}
	if lock.Held() || next.Fence() <= lock.Fence() {
		t.Errorf("held %v; fence %d after %d", lock.Held(), next.Fence(), lock.Fence())
	}
	if err := lock.Close(); !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("Close of a lost lock: %v", err)
	}
	s.release(s.acquire(a, "z"))
	s.release(next)
}

// awaitPolls returns when the client waits for a name that another session holds, and has
// done so long enough for it to ask seldom.
func (s *site) awaitPolls(c *leasehold.Client, name string) {
	s.Helper()
	start := time.Now()
	await(s, "the waiter waits", func() bool {
		info, err := c.Get(s.Context(), name)
		return err == nil && len(info.Waiters) == 1 && time.Since(start) > 4*keyed.MaxPoll
	})
}
