package keyed

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// epoch is the only one there is: after a failover all sessions are new.
const epoch = 1

// lease is a client's lease, which lives in the session. Table.mu guards it.
type lease struct {
	driver.Lease
	beat, notice uint64
	renewed      time.Time // of package clock
	over         chan struct{}
	cause        error // set before over is closed
}

// lapse is how many TTLs a lease lives without a renewal: longer than the others wait
// before they end it.
const lapse = 3

// lives reports whether the lease is there. t.mu is held.
func (t *Table) lives(id driver.ID) bool { return t.leases[id] != nil }

// gone returns the error for a lease that is not there. t.mu is held.
func (t *Table) gone(id driver.ID) error {
	if cause := t.causes[id]; cause != nil {
		return cause
	}
	return driver.ErrLeaseGone
}

// createLease makes the lease, or renews it.
func (t *Table) createLease(ctx context.Context, l driver.Lease) (driver.Renewal, error) {
	if l.Fixed {
		return driver.Renewal{}, driver.Permanent(fmt.Errorf("a fixed TTL: %w", driver.ErrUnsupported))
	}
	s, err := t.open(ctx)
	if err != nil {
		return driver.Renewal{}, err
	}
	t.mu.Lock()
	t.ttl = max(t.ttl, l.TTL)
	t.mu.Unlock()
	if err := s.Visit(ctx, l.TTL); err != nil {
		return driver.Renewal{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != s {
		return driver.Renewal{}, s.Cause()
	}
	if !t.lives(l.ID) {
		t.leases[l.ID] = &lease{Lease: l, over: make(chan struct{})}
	}
	return t.renewed(t.leases[l.ID]), nil
}

// renewed notes a renewal. t.mu is held.
func (t *Table) renewed(l *lease) driver.Renewal {
	l.beat++
	l.renewed = clock.Now()
	return driver.Renewal{Epoch: epoch, Notice: l.notice}
}

func (t *Table) renewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	s, l, err := t.lookUp(id)
	if err != nil {
		return driver.Renewal{}, err
	}
	if err := s.Visit(ctx, l.TTL); err != nil {
		return driver.Renewal{}, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.lives(id) {
		return driver.Renewal{}, t.gone(id)
	}
	return t.renewed(l), nil
}

// lookUp returns the lease and its session.
func (t *Table) lookUp(id driver.ID) (Session, *lease, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.lives(id) || t.session == nil {
		return nil, nil, t.gone(id)
	}
	return t.session, t.leases[id], nil
}

func (t *Table) endLease(id driver.ID, grounds driver.Grounds) bool {
	t.mu.Lock()
	defer t.poke()
	defer t.unlock()
	return t.endIf(id, grounds)
}

// endIf ends the lease if the grounds hold, and reports whether it is gone. t.mu is held.
func (t *Table) endIf(id driver.ID, grounds driver.Grounds) bool {
	l := t.leases[id]
	switch {
	case l == nil:
		return true
	case grounds.Own:
	case grounds.Observed != 0 && l.beat == grounds.Observed:
	case grounds.Overdue != 0 && clock.Since(l.renewed) > l.TTL+grounds.Overdue:
	default:
		return false
	}
	t.endLocked(id, driver.ErrLeaseGone, l)
	t.free(id)
	return true
}

// endLocked ends the lease.
func (t *Table) endLocked(id driver.ID, cause error, l *lease) {
	l.cause = cause
	close(l.over)
	delete(t.leases, id)
	if len(t.leases) == 0 {
		t.idle = clock.Now()
	}
}

// free gives back the keys of locks that the lease, which has ended, was the last to need.
// The rows stay as they are.
func (t *Table) free(id driver.ID) {
	for _, r := range t.rows {
		if r.held != None && r.op == nil && r.lock.Names(id) {
			t.advance(r)
		}
	}
}

// watch returns when the lease has ended, with the cause, or ctx has.
func (t *Table) watch(ctx context.Context, id driver.ID) error {
	_, l, err := t.lookUp(id)
	if err != nil {
		return err
	}
	select {
	case <-l.over:
		return l.cause
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tend polls, ends the leases of clients that have not renewed them for long, and the
// session if nobody needs it.
func (t *Table) tend() {
	t.mu.Lock()
	defer t.unlock()
	t.poll()
	if clock.Until(t.tendAt) > 0 {
		return
	}
	t.tendAt = clock.Now().Add(tendEvery(t.ttl))
	t.expire()
	for id, l := range t.leases {
		if clock.Since(l.renewed) > lapse*l.TTL {
			t.endLocked(id, driver.ErrLeaseGone, l)
			t.free(id)
		}
	}
	if s := t.session; s != nil && len(t.leases) == 0 && clock.Since(t.idle) > t.ttl {
		t.drop(ErrClosed)
		t.wg.Go(s.Close)
	}
}

// expire tells those whose context has ended while the server does not answer.
func (t *Table) expire() {
	waiting := t.ops
	for _, b := range t.flying {
		waiting = append(waiting[:len(waiting):len(waiting)], b.ops...)
	}
	for _, o := range waiting {
		for _, c := range o.row.calls {
			if c.ctx != nil && c.ctx.Err() != nil && !c.told {
				c.late = c.ctx.Err()
				t.complete(c)
			}
		}
	}
}
