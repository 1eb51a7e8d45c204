package drivertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// witness sees every hold begin and end, and reports any that may not be at once, and a
// fence that does not rise. It is safe for concurrent use.
type witness struct {
	t     *testing.T
	mu    sync.Mutex // guards names
	names map[string]*seen
}

type seen struct {
	inside, alone   int    // those inside, and those of them who should be alone
	last, lastAlone uint64 // the highest fence so far, and the highest of one alone
	grants          int
}

func newWitness(t *testing.T) *witness { return &witness{t: t, names: map[string]*seen{}} }

// enter is called after a hold has begun. Of those who share a lock one may learn of its
// grant later than another, so their fences rise only over that of one alone.
func (w *witness) enter(name string, terms driver.Terms, fence uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.names[name]
	if s == nil {
		s = &seen{}
		w.names[name] = s
	}
	s.inside++
	s.grants++
	most, last := 1, s.last
	switch terms.Mode {
	case driver.Exclusive:
		s.alone++
		s.lastAlone = max(s.lastAlone, fence)
	case driver.Shared:
		most, last = s.inside-s.alone, s.lastAlone
	case driver.Permit:
		most, last = terms.Limit, s.lastAlone
	}
	if s.inside > most {
		w.t.Errorf("%d holders of %q at once, %d of them alone, fences %d and %d", s.inside, name, s.alone, s.last, fence)
	}
	if fence <= last {
		w.t.Errorf("%q granted with fence %d after %d", name, fence, last)
	}
	s.last = max(s.last, fence)
}

// leave is called before a hold is given up.
func (w *witness) leave(name string, terms driver.Terms) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.names[name].inside--
	if terms.Mode == driver.Exclusive {
		w.names[name].alone--
	}
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
		got, err := release(ctx, conn, a)
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
