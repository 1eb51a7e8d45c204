package measure

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

// shift is an order to work: to hand a name over, from now until To. What happens
// between From and To is counted, by slices of a length.
type shift struct {
	Name     string
	From, To int64 // nanoseconds since 1970, as are all instants between processes
	Slice    time.Duration
	Round    string // tells the floor's rounds apart
	First    bool   // the floor's baton starts here
}

// tally counts what happens in each slice of a shift.
type tally struct {
	shift  shift
	Counts []int
}

func newTally(s shift) *tally {
	return &tally{shift: s, Counts: make([]int, (s.To-s.From)/int64(s.Slice))}
}

// count counts something that happens now, and reports whether the shift is not over.
func (t *tally) count() bool {
	now := time.Now().UnixNano()
	if i := (now - t.shift.From) / int64(t.shift.Slice); now >= t.shift.From && i < int64(len(t.Counts)) {
		t.Counts[i]++
	}
	return now < t.shift.To
}

// contend acquires and releases a name again and again during each shift.
func contend(ctx context.Context, parent *fleet.Parent) (err error) {
	var cfg followerConfig
	if err := parent.Config(&cfg); err != nil {
		return err
	}
	s, err := side.Open(ctx, cfg.Side, cfg.At, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return work(parent, func(t *tally) error {
		for {
			release, err := s.Acquire(ctx, t.shift.Name)
			if err != nil {
				return err
			}
			more := t.count()
			if err := release(ctx); err != nil || !more {
				return err
			}
		}
	})
}

// work does each shift that the parent sends, and reports its tally.
func work(parent *fleet.Parent, do func(t *tally) error) error {
	if err := parent.Now(); err != nil {
		return err
	}
	for {
		var s shift
		if more, err := parent.Next(&s); !more {
			return err
		}
		t := newTally(s)
		if err := errors.Join(do(t), parent.Send(t.Counts)); err != nil {
			return err
		}
	}
}
