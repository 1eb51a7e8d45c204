package sessiontest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// Crowd has the client hold a thousand locks, and a thousand goroutines wait, for those and
// for one of another process. It calls look when all of that is so.
func Crowd(s *Site, c *leasehold.Client, look func()) {
	s.Helper()
	theirs := s.Acquire(s.Client(), "theirs")
	const n = 1000
	locks := make([]*leasehold.Lock, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { locks[i] = s.Acquire(c, fmt.Sprint("name ", i)) })
	}
	wg.Wait()
	var granted atomic.Int64
	for i := range n {
		wg.Go(func() {
			name := fmt.Sprint("name ", i)
			if i%2 == 0 {
				name = "theirs"
			}
			lock, err := c.Acquire(s.Context(), name)
			if err != nil {
				s.Error(err)
				return
			}
			granted.Add(1)
			s.Release(lock)
		})
	}
	s.AwaitWaiter(c, "name 999")
	look()
	if granted.Load() != 0 {
		s.Errorf("%d who should wait do not", granted.Load())
	}
	for _, lock := range locks {
		wg.Go(func() { s.Release(lock) })
	}
	s.Release(theirs)
	wg.Wait()
	if granted.Load() != n {
		s.Errorf("%d of %d were granted", granted.Load(), n)
	}
}

// StaysHeld has the client hold a lock for that long.
func StaysHeld(s *Site, c *leasehold.Client, long time.Duration) {
	s.Helper()
	lock := s.Acquire(c, "a")
	select {
	case <-lock.Context().Done():
		s.Fatal(context.Cause(lock.Context()))
	case <-time.After(long):
	}
	s.Release(lock)
}

// TakeTurns shows that a process whose goroutines pass a name among themselves, and take it
// again and again, lets others have it. With leasehold.Shared they overlap.
func TakeTurns(s *Site, opts ...leasehold.Option) {
	s.Helper()
	overlap := time.Duration(len(opts)) * 5 * time.Millisecond // there is always a reader
	hot, other := s.Client(), s.Client()
	ctx, stop := context.WithCancel(s.Context())
	defer stop()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				lock, err := hot.Acquire(ctx, "x", opts...)
				if err != nil {
					return
				}
				time.Sleep(rand.N(2*time.Millisecond) + overlap) // work
				s.Release(lock)
			}
		})
	}
	for range 5 {
		start := time.Now()
		lock := s.Acquire(other, "x")
		if took := time.Since(start); took > 5*time.Second { // a turn takes a tenth of a second
			s.Errorf("waited %v", took)
		}
		s.Release(lock)
	}
	stop()
	wg.Wait()
	s.Free("x")
}
