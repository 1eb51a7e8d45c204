package drivertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// witness sees every hold begin and end, and reports two at once, and a fence
// that does not rise. It is safe for concurrent use.
type witness struct {
	t     *testing.T
	mu    sync.Mutex // guards names
	names map[string]*seen
}

type seen struct {
	inside int
	last   uint64
	grants int
}

func newWitness(t *testing.T) *witness { return &witness{t: t, names: map[string]*seen{}} }

// enter is called after a hold has begun.
func (w *witness) enter(name string, fence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.names[name]
	if s == nil {
		s = &seen{}
		w.names[name] = s
	}
	s.inside++
	s.grants++
	if s.inside != 1 {
		w.t.Errorf("%d holders of %q at once, fences %d and %d", s.inside, name, s.last, fence)
	}
	if fence <= s.last {
		w.t.Errorf("%q granted with fence %d after %d", name, fence, s.last)
	}
	s.last = max(s.last, fence)
}

// leave is called before a hold is given up.
func (w *witness) leave(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name].inside--
}

func (w *witness) grants(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.names[name]; s != nil {
		return s.grants
	}
	return 0
}

// releaseUntilKnown repeats Release until it returns nil and is not busy, and
// returns the outcome: the contract says that nothing is left then.
func releaseUntilKnown(t *testing.T, conn driver.Conn, a driver.Attempt) driver.Outcome {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	for {
		got, err := conn.Release(ctx, a)
		if err == nil && got != driver.Busy {
			return got
		}
		if ctx.Err() != nil || driver.IsPermanent(err) {
			t.Errorf("Release(%q) never became known: outcome %s, %v", a.Name, outcome(got), err)
			return got
		}
		time.Sleep(time.Millisecond)
	}
}
