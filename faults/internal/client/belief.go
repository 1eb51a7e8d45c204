package client

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// belief is what a lock says of itself at an instant between before and after: the
// process may be stopped at any point in between.
type belief struct {
	before, after time.Duration
	held          bool
	until, limit  time.Duration // the trust deadline was not before until and not after limit
}

func observe(lock *leasehold.Lock) belief {
	b := belief{before: history.Now()}
	b.held = lock.Held()
	started := time.Now()
	deadline := lock.Deadline()
	uncertain := time.Since(started) // Deadline reads two clocks, so far apart at the most

	low := history.Now()
	left := time.Until(deadline)
	high := history.Now()
	b.after, b.until, b.limit = high, low+left, high+left+uncertain
	return b
}

// sampling is the pause between two looks at a lock held.
const sampling = 3 * time.Millisecond

// refresh is by how much the deadline moves before it is worth a record, and
// reckons with the uncertainty of reading it.
const refresh = 5 * time.Millisecond

// watch looks at the lock until it is let go of or lost, and records when the
// deadline moves, and every belief that comes after the deadline.
func (h *hold) watch() {
	ticker := time.NewTicker(sampling)
	defer ticker.Stop()
	for {
		b := observe(h.lock)
		if b.held && (b.until > h.until+refresh || b.before > b.until) {
			h.until = max(h.until, b.until)
			h.record(history.Event{
				Kind: history.Believed, At: b.before, Op: h.op, Name: h.lock.Name(),
				Fence: h.lock.Fence(), Until: b.until, Limit: b.limit,
			})
		}
		select {
		case <-ticker.C:
		case <-h.lock.Context().Done():
			cause := context.Cause(h.lock.Context())
			if !errors.Is(cause, leasehold.ErrReleased) {
				h.record(history.Event{Kind: history.Lost, Op: h.op, Name: h.lock.Name(), Fence: h.lock.Fence(), Detail: reason(cause)})
			}
			return
		}
	}
}

// reason names why a lock was lost.
func reason(err error) string {
	for _, kind := range []error{
		leasehold.ErrExpired, leasehold.ErrRevoked, leasehold.ErrLeaseGone, leasehold.ErrFailedOver, leasehold.ErrClosed,
	} {
		if errors.Is(err, kind) {
			return kind.Error()
		}
	}
	return err.Error()
}
