package mysql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// call is one Acquire or Release, with its results.
type call struct {
	driver.Attempt
	release bool
	wait    bool // of an acquisition

	tries   int // turns that had to leave it out
	reply   driver.Reply
	outcome driver.Outcome
	err     error
}

const (
	// maxBatch bounds one batch: what it locks, it locks until its commit, and its
	// statements must fit into a packet.
	maxBatch = 256
	// maxTries is how many turns may leave a call out while others wait.
	maxTries = 5
	// maxName is the length of the longest name, in bytes.
	maxName = 1024
)

// Acquire implements driver.Conn: two round trips and one commit, which acquisitions and
// releases share that arrive while others are in progress.
func (c *conn) Acquire(ctx context.Context, attempt driver.Attempt, wait bool) (driver.Reply, error) {
	r := &call{Attempt: attempt, wait: wait}
	if err := r.check(); err != nil {
		return driver.Reply{}, err
	}
	return c.replied(ctx, r, c.calls.Do(ctx, r))
}

// StartAcquire implements driver.Starter.
func (c *conn) StartAcquire(ctx context.Context, attempt driver.Attempt, wait bool, done func(driver.Reply, error)) {
	r := &call{Attempt: attempt, wait: wait}
	if err := r.check(); err != nil {
		go done(driver.Reply{}, err)
		return
	}
	c.calls.Start(ctx, r, func(err error) { done(c.replied(ctx, r, err)) })
}

// Release implements driver.Conn, at the cost of Acquire. Busy also stands for a row that
// another transaction keeps locked.
func (c *conn) Release(ctx context.Context, attempt driver.Attempt) (driver.Outcome, error) {
	c.forget(attempt)
	r := &call{Attempt: attempt, release: true}
	return r.ended(ctx, c.calls.Do(ctx, r))
}

// StartRelease implements driver.Starter.
func (c *conn) StartRelease(ctx context.Context, attempt driver.Attempt, done func(driver.Outcome, error)) {
	c.forget(attempt)
	r := &call{Attempt: attempt, release: true}
	c.calls.Start(ctx, r, func(err error) { done(r.ended(ctx, err)) })
}

// check returns an error for what no row can be made of.
func (r *call) check() error {
	if n := len(r.Name); n == 0 || n > maxName {
		return driver.Permanent(fmt.Errorf("a name of %d bytes: want 1 to %d", n, maxName))
	}
	return nil
}

// replied returns the result of an acquisition; notMade is the queue's error.
func (c *conn) replied(ctx context.Context, r *call, notMade error) (driver.Reply, error) {
	switch {
	case notMade != nil: // and the request is not ours to look at
		return driver.Reply{}, ctxError(ctx)
	case r.err != nil:
		return driver.Reply{}, r.err
	}
	c.acquired(r.Attempt, &r.reply.Lock)
	return r.reply, nil
}

// ended returns the result of a release, likewise.
func (r *call) ended(ctx context.Context, notMade error) (driver.Outcome, error) {
	switch {
	case notMade != nil:
		return driver.Absent, ctxError(ctx)
	case r.err != nil:
		return driver.Absent, r.err
	}
	return r.outcome, nil
}

// make makes calls in one turn of the command link.
func (c *conn) make(ctx context.Context, batch []*call) (again []*call) {
	for _, r := range batch {
		r.err = nil // of an earlier turn
	}
	err := c.on(ctx, c.command, func(ctx context.Context, s *session) error {
		if len(batch) == 1 {
			if done, err := c.shortly(ctx, s, batch[0]); done || err != nil {
				return err
			}
		}
		changes := make([]*change, len(batch))
		for i, r := range batch {
			changes[i] = r.change()
		}
		err := c.patiently(ctx, s, changes)
		for i, r := range batch {
			switch {
			case err != nil:
				r.err = classify(err)
			case changes[i].state == locked && c.calls.Waiting() && r.tries < maxTries:
				r.tries++
				again = append(again, r)
			default:
				r.conclude(changes[i])
				c.rough.set(r.Name, !changes[i].plain() || r.release && changes[i].lock.Held())
			}
		}
		return nil
	})
	if err != nil {
		for _, r := range batch {
			r.err = err
		}
		return nil
	}
	return again
}

// change returns the call's transition.
func (r *call) change() *change {
	if r.release {
		return &change{name: r.Name, lease: r.Lease, removes: true, decide: func(row *found) (changed bool, _ error) {
			r.outcome, changed = machine.Release(&row.lock, r.Place(), row.now)
			row.flush = r.outcome == driver.Absent && row.exists
			return changed, nil
		}}
	}
	return &change{name: r.Name, lease: r.Lease, decide: func(row *found) (bool, error) {
		if !row.alive {
			return false, driver.ErrLeaseGone
		}
		changed, err := machine.Acquire(&row.lock, r.Attempt, r.wait, row.now)
		row.flush = row.lock.HeldBy(r.Place())
		return changed, driver.Permanent(err)
	}}
}

// plain reports whether the next call on the row may be made by its short statement.
func (ch *change) plain() bool {
	return ch.state == made && ch.err == nil && ch.lock.Plain() && len(ch.lock.Queue) == 0
}

// conclude takes the results from the transition.
func (r *call) conclude(ch *change) {
	switch {
	case ch.err != nil:
		r.err = classify(ch.err)
	case r.release && ch.state != made:
		r.outcome = driver.Busy
	case ch.state == paused:
		r.err = &pausedError{ch.left}
	case ch.state == locked:
		r.err = errLocked
	default:
		r.reply = driver.Reply{Lock: ch.lock, Epoch: ch.epoch}
	}
}

// patiently makes changes, and those again that somebody else's locks, or a pause in
// granting that is over, have kept from it: for a while, but not for long if others wait.
func (c *conn) patiently(ctx context.Context, s *session, changes []*change) error {
	const polite = 5 * time.Millisecond
	begun := time.Now()
	patience := min(c.ttl/10, 500*time.Millisecond)
	pause := 200 * time.Microsecond
	for left := changes; ; {
		err := c.transit(ctx, s, left)
		if err != nil && !transient(err) {
			return err
		}
		if err == nil {
			if err := errors.Join(c.endPause(ctx, s, left), c.restoreGuards(ctx, s, left)); err != nil {
				return err
			}
			if left = unmade(left); len(left) == 0 {
				return nil
			}
		}
		// What was undone because of others was undone at once: it is made again. Who waits
		// for a row that is locked lets others go first.
		waited := time.Since(begun)
		if waited > patience || err == nil && waited > polite && (len(changes) > 1 || c.calls.Waiting()) {
			return err
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, polite)
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
}

// unmade returns the changes that may be made in a moment.
func unmade(changes []*change) (left []*change) {
	for _, ch := range changes {
		if ch.state == locked || ch.state == paused && ch.again {
			left = append(left, ch)
		}
	}
	return left
}
