package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/coalesce"
)

// call is one Acquire or Release, with its results.
type call struct {
	driver.Attempt
	release bool
	wait    bool // of an acquisition

	tries   int           // batches that had to leave it out
	made    bool          // the batch did not leave it out
	reply   *driver.Reply // of an acquisition
	outcome driver.Outcome
	err     error
}

// acquisition returns a call of Acquire.
func acquisition(attempt driver.Attempt, wait bool) *call {
	var r struct {
		call
		reply driver.Reply
	}
	r.call = call{Attempt: attempt, wait: wait, reply: &r.reply}
	return &r.call
}

// maxBatch bounds one batch: what it locks, it locks until its commit.
const maxBatch = 1000

// newCalls returns the queue through which acquisitions and releases go.
func (c *conn) newCalls() *coalesce.Queue[*call] {
	return coalesce.New(coalesce.Config[*call]{
		Run:      c.run,
		Name:     func(r *call) string { return r.Name },
		Together: func(a, b *call) bool { return a.Lease == b.Lease && a.Terms == b.Terms && a.Terms == driver.Terms{} },
		Most:     maxBatch,
		Flow:     flow,
	})
}

// run makes the calls, in one turn of the command link.
func (c *conn) run(ctx context.Context, batch []*call) (again []*call) {
	c.making = nil
	c.begun(batch)
	err := c.onCommand(ctx, func(ctx context.Context, t *turn) (err error) {
		if len(batch) == 1 && (!c.locked[batch[0].Name] || batch[0].Terms != driver.Terms{}) {
			if !t.alone(ctx, batch[0]) {
				again = batch
				return nil
			}
			err = batch[0].err
		} else {
			again, err = t.batch(ctx, batch)
		}
		return err
	})
	if err != nil {
		for _, r := range c.making {
			r.err = err
		}
		return nil
	}
	return again
}

// begun notes calls that are about to be made.
func (c *conn) begun(calls []*call) {
	for _, r := range calls {
		r.err, r.made = nil, false // of an earlier batch
	}
	c.making = append(c.making, calls...)
}

// take returns more calls to make, if there are many.
func (c *conn) take() []*call {
	calls := c.calls.Take()
	c.begun(calls)
	return calls
}

// settled tells the callers of calls that were made, while others are in progress.
func (c *conn) settled() {
	made := func(r *call) bool { return r.made }
	c.making = slices.DeleteFunc(c.making, made)
	c.calls.Made(made)
}

// turn is what one turn of the command link has at hand.
type turn struct {
	conn    *conn
	session *session
	sql     *statements
	untold  []grant // committed hand-overs that nobody was told of
	sure    bool    // every release waits for the disk
	shared  bool    // by several calls, none of which is to wait for long
}

// onCommand runs fn in a turn of the command link.
func (c *conn) onCommand(ctx context.Context, fn func(context.Context, *turn) error) error {
	return c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		t := &turn{conn: c, session: s, sql: sql}
		if err := t.redo(ctx, c.unflushed.before(s.dialled)); err != nil {
			return err
		}
		defer t.notify(ctx)
		return fn(ctx, t)
	})
}

// patiently runs fn in a turn of the command link, and waits for a locked row as a call
// that is alone does.
func (c *conn) patiently(ctx context.Context, fn func(context.Context, *turn) error) error {
	return c.onCommand(ctx, func(ctx context.Context, t *turn) error {
		return t.patiently(func() error { return fn(ctx, t) })
	})
}

// wrote notes a commit that waited for the disk.
func (t *turn) wrote() { t.conn.unflushed.flushed(t.session, clock.Now()) }

// Acquire implements driver.Conn. A free lock whose row is there, or a held one: one
// round trip. Acquisitions and releases that arrive while others are in progress share
// one statement and one commit.
func (c *conn) Acquire(ctx context.Context, attempt driver.Attempt, wait bool) (driver.Reply, error) {
	r := acquisition(attempt, wait)
	if err := r.check(); err != nil {
		return driver.Reply{}, err
	}
	return c.replied(ctx, r, c.calls.Do(ctx, r))
}

// StartAcquire implements driver.Starter.
func (c *conn) StartAcquire(ctx context.Context, attempt driver.Attempt, wait bool, done func(driver.Reply, error)) {
	r := acquisition(attempt, wait)
	if err := r.check(); err != nil {
		go done(driver.Reply{}, err)
		return
	}
	c.calls.Start(ctx, r, func(err error) { done(c.replied(ctx, r, err)) })
}

// Release implements driver.Conn. One round trip for a holder whose row nobody else
// has locked; two for a waiter, where others are at work on the row, and where somebody
// waits for the first time in many releases. Busy also stands for a row that another
// transaction keeps locked.
func (c *conn) Release(ctx context.Context, attempt driver.Attempt) (driver.Outcome, error) {
	c.waits.forget(attempt)
	r := &call{Attempt: attempt, release: true}
	return r.ended(ctx, c.calls.Do(ctx, r))
}

// StartRelease implements driver.Starter.
func (c *conn) StartRelease(ctx context.Context, attempt driver.Attempt, done func(driver.Outcome, error)) {
	c.waits.forget(attempt)
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
	if c.dialer.polls.Load() && r.reply.Lock.Ahead(r.Place()) >= 0 {
		c.waits.expect(r.Attempt)
	}
	return *r.reply, nil
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
