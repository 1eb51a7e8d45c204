package sessiontest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// CancelledWaitsDropNothing ends waits for names that others hold, here and elsewhere: they
// end nothing else.
func CancelledWaitsDropNothing(s *Site) {
	s.Helper()
	c, other := s.Client(), s.Client()
	mine, theirs := s.Acquire(c, "mine"), s.Acquire(other, "theirs")
	id := s.Holder("mine")
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(s.Context(), rand.N(30*time.Millisecond))
			defer cancel()
			name := []string{"mine", "theirs", "theirs"}[i%3]
			if _, err := c.Acquire(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("a wait that ended: %v", err)
			}
		})
	}
	wg.Wait()
	if !mine.Held() || !theirs.Held() || s.Holder("mine") != id {
		s.Errorf("held %v and %v, by the session %d, before %d", mine.Held(), theirs.Held(), s.Holder("mine"), id)
	}
	s.Release(theirs)
	s.Release(mine)
	s.Free("mine", "theirs")
}

// GrantAndCancellationAtOnce lets the grant and the end of the wait come at the same moment,
// between processes: whoever says that it holds does, and nothing is left of the others.
// handover is about how long a waiter in another process takes to be granted the lock.
func GrantAndCancellationAtOnce(s *Site, handover time.Duration) {
	s.Helper()
	c, other := s.Client(), s.Client()
	granted := 0
	const turns = 50
	for range turns {
		lock := s.Acquire(other, "a")
		ctx, cancel := context.WithCancel(s.Context())
		got := make(chan *leasehold.Lock, 1)
		go func() {
			lock, _ := c.Acquire(ctx, "a")
			got <- lock
		}()
		time.AfterFunc(rand.N(handover), cancel)
		time.Sleep(rand.N(min(handover, 5*time.Millisecond))) // the moment is what varies
		s.Release(lock)
		if lock := <-got; lock != nil {
			granted++
			s.Refused(other, "a")
			s.Release(lock)
		}
		cancel()
	}
	s.Logf("%d of %d were granted", granted, turns)
	s.Free("a")
}
