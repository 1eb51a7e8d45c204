package postgres

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// A release that frees a lock does not wait for the disk. A crash of the server may undo
// it, together with nothing that was reported as committed: what was, after it, has
// brought it to the disk too. The lock then stands there as held by an attempt that its
// client has let go of: a ghost. So the releases of which nothing proves yet that they are
// on the disk are remembered, and made again when there may have been a crash.
//
// The proof is a commit that waited for the disk, asked for after the release was
// answered, in a session that was there before the release was asked for: a crash would
// have ended the session. Every grant is such a commit, and so is every renewal.

// maxUnflushed bounds what is remembered: the next release waits for the disk.
const maxUnflushed = 64

// unflushed are the releases of one client that a crash of the server may undo. It is
// safe for concurrent use.
type unflushed struct {
	mu   sync.Mutex
	list []undoable
}

type undoable struct {
	attempt        driver.Attempt
	sent, answered time.Time // of package clock
}

// room reports whether another release may be one.
func (u *unflushed) room() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.list) < maxUnflushed
}

// note adds a release that was just answered.
func (u *unflushed) note(a driver.Attempt, sent time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = append(u.list, undoable{a, sent, clock.Now()})
}

// flushed notes a commit that waited for the disk and was asked for at the instant sent.
func (u *unflushed) flushed(s *session, sent time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.list = slices.DeleteFunc(u.list, func(r undoable) bool {
		return !r.sent.Before(s.dialled) && !r.answered.After(sent)
	})
}

// before returns those that were sent before the instant.
func (u *unflushed) before(instant time.Time) []undoable {
	if mutation.On(mutation.ForgetUnflushedReleases) {
		return nil
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []undoable
	for _, r := range u.list {
		if r.sent.Before(instant) {
			list = append(list, r)
		}
	}
	return list
}

// done notes that r was made again, sent and found to be done at these instants.
func (u *unflushed) done(r undoable, sent time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := range u.list {
		if u.list[i] == r {
			u.list[i].sent, u.list[i].answered = sent, clock.Now()
		}
	}
}

// redo makes releases again that may have been undone.
func (t *turn) redo(ctx context.Context, list []undoable) error {
	for _, r := range list {
		sent := clock.Now()
		t.sure = true
		outcome, err := t.release(ctx, r.attempt)
		t.sure = false
		if err != nil {
			return err
		}
		if outcome != driver.Busy {
			t.conn.unflushed.done(r, sent)
		}
	}
	return nil
}

// redoAll makes all releases again that were sent before the instant, whatever session
// there is.
func (c *conn) redoAll(sent time.Time) {
	ctx, cancel := context.WithTimeout(c.dialer.ctx, c.dialer.dialTimeout())
	defer cancel()
	// What fails is tried again after the next renewal.
	_ = c.onCommand(ctx, func(ctx context.Context, t *turn) error {
		return t.redo(ctx, c.unflushed.before(sent))
	})
}

// renewed is called after a renewal that was asked for at the instant sent.
func (c *conn) renewed(s *session, sent time.Time) {
	c.unflushed.flushed(s, sent)
	if len(c.unflushed.before(s.dialled)) > 0 {
		c.dialer.wg.Go(func() { c.redoAll(sent) })
	}
}
