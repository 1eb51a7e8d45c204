package sessiontest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// Killed shows what follows when an operator ends a session: its locks' contexts end at
// once, and who waits in another process holds the lock soon after. The client goes on with
// a new session. It returns the cause of the loss.
func Killed(s *Site) (cause error) {
	s.Helper()
	a, b := s.Client(), s.Client()
	var opts []leasehold.Option
	if s.Shared {
		opts = append(opts, leasehold.Shared())
	}
	lock, other := s.Acquire(a, "x"), s.Acquire(a, "y", opts...)
	got := s.Waits(b, "x")
	s.AwaitPolls(b, "x")
	ctxs := []context.Context{lock.Context(), other.Context()}
	start := time.Now()
	s.Kill(s.Holder("x"))
	for _, ctx := range ctxs {
		select {
		case <-ctx.Done():
		case <-time.After(patience):
			s.Fatal("the holder is not told")
		}
	}
	told := time.Since(start)
	if told > Prompt {
		s.Errorf("the holder was told after %v", told)
	}
	next := s.Within(Prompt, "the next waiter", got)
	s.Logf("the holder was told after %v, the next one holds after %v", told, time.Since(start))
	cause = context.Cause(ctxs[0])
	if !errors.Is(cause, leasehold.ErrLost) || !errors.Is(cause, leasehold.ErrLeaseGone) {
		s.Errorf("lost because of %v", cause)
	}
	if lock.Held() || next.Fence() <= lock.Fence() {
		s.Errorf("held %v; fence %d after %d", lock.Held(), next.Fence(), lock.Fence())
	}
	if err := lock.Close(); !errors.Is(err, leasehold.ErrLost) {
		s.Errorf("Close of a lost lock: %v", err)
	}
	s.Release(s.Acquire(a, "z"))
	s.Release(next)
	return cause
}

// AwaitPolls returns when the client waits for a name that another session holds, and has
// done so long enough for it to ask seldom.
func (s *Site) AwaitPolls(c *leasehold.Client, name string) {
	s.Helper()
	start := time.Now()
	s.AwaitWaiter(c, name)
	s.Await("the waiter asks seldom", func() bool { return time.Since(start) > 4*keyed.MaxPoll })
}

// killUntil kills the sessions that hold a name, again and again.
func (s *Site) killUntil(stop time.Time, name string) {
	for time.Now().Before(stop) {
		for _, id := range s.Holders(name) {
			_, _ = s.DB.ExecContext(s.Context(), fmt.Sprintf(s.KillSQL, id)) // it may have ended
		}
		time.Sleep(rand.N(100 * time.Millisecond)) // the moment is what varies
	}
}

// Vanished cuts off a client, for good. The holder stops believing at its trust deadline;
// and the server, which hears no more of it, frees the lock within the bound, not before.
func Vanished(s *Site, c *leasehold.Client, ttl, bound time.Duration, cut func()) {
	s.Helper()
	other := s.Client()
	lock := s.Acquire(c, "x")
	got := s.Waits(other, "x")
	start := time.Now()
	cut()
	<-lock.Context().Done()
	if lost := time.Since(start); lost > ttl+ttl/2 {
		s.Errorf("the holder believed for %v, its TTL is %v", lost, ttl)
	}
	if cause := context.Cause(lock.Context()); !errors.Is(cause, leasehold.ErrExpired) && !errors.Is(cause, leasehold.ErrLeaseGone) {
		s.Errorf("lost because of %v", cause)
	}
	next := s.Within(bound+5*time.Second, "the next holder", got)
	if next.Fence() <= lock.Fence() {
		s.Errorf("fence %d after %d", next.Fence(), lock.Fence())
	}
	s.Release(next)
	_ = lock.Close() // it was lost
}

// Replaced cuts off the connections of a client and lets new ones through: its next
// session ends the one before, so that nothing stays taken until the server notices.
func Replaced(s *Site, c *leasehold.Client, cut, mend func()) {
	s.Helper()
	lock := s.Acquire(c, "x")
	old := s.Holder("x")
	cut()
	<-lock.Context().Done()
	_ = lock.Close() // it was lost
	mend()
	start := time.Now()
	again := s.Acquire(c, "x")
	if took := time.Since(start); took > 5*time.Second {
		s.Errorf("held again after %v", took)
	}
	if s.Holder("x") == old {
		s.Errorf("the session %d still has the lock", old)
	}
	if again.Fence() <= lock.Fence() {
		s.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.Release(again)
}
