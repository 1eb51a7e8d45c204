package elect

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// DefaultInterval is the ObserveOptions' zero Interval.
const DefaultInterval = time.Second

// ObserveOptions say how closely to look.
type ObserveOptions struct {
	// Interval is the longest time between two looks at the database; each is
	// between half and all of it, at random, so that many observers do not look
	// together. It is how late a change may be seen. Defaults to 1 s.
	Interval time.Duration
}

// Observe yields who leads now, and then every change that it sees: another
// leader, or none. It ends when ctx ends, without an error.
//
// Each change comes at most once, and terms never go backwards: after "nobody,
// term 7" the next is a leader of a larger term. What came and went between two
// looks is skipped: terms, and moments without a leader.
//
// An error that matches [leasehold.ErrUnavailable] may pass: the observation goes
// on unless the loop is left, and a look that fails again yields its error
// again. Any other error is the last thing that it yields.
//
// Each range over it begins anew. It looks in the caller's goroutine, so a slow
// loop looks less often, and leaves nothing behind. One read per Interval, or
// somewhat more, for each observer; no connection is held between them.
func (e *Election) Observe(ctx context.Context, o ObserveOptions) iter.Seq2[Leadership, error] {
	interval := DefaultInterval
	if o.Interval > 0 {
		interval = o.Interval
	}
	return func(yield func(Leadership, error) bool) {
		var last *Leadership // as yielded
		for {
			now, changed, err := e.look(ctx, last)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil:
				if !yield(Leadership{}, err) || !errors.Is(err, leasehold.ErrUnavailable) {
					return
				}
			case changed:
				last = &now
				if !yield(now, nil) {
					return
				}
			}
			if !backoff.Sleep(ctx, backoff.Jitter(interval)) {
				return
			}
		}
	}
}

// look reads once, and compares with what was seen last, which is nil at first.
func (e *Election) look(ctx context.Context, last *Leadership) (now Leadership, changed bool, err error) {
	now, err = e.Leader(ctx)
	if err != nil || last == nil {
		return now, err == nil, err
	}
	now, changed = now.after(*last)
	return now, changed, nil
}
