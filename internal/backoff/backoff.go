// Package backoff spaces out repeated attempts, so that many clients that fail
// together do not return together.
package backoff

import (
	"context"
	"iter"
	"math/rand/v2"
	"time"
)

// Seq yields pauses for ever: the first about first, each about twice the one
// before up to limit, and each between half and all of that, at random ("equal
// jitter"; Brooker, "Exponential Backoff and Jitter", 2015).
func Seq(first, limit time.Duration) iter.Seq[time.Duration] {
	return func(yield func(time.Duration) bool) {
		for p := New(first, limit); yield(p.Next()); {
		}
	}
}

// Jitter returns a random duration between half of d and d.
func Jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d/2+1)
}

// Sleep waits for d, or until ctx ends, and reports which: true for d.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
