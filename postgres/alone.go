package postgres

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// alone makes one call with statements of its own, which may wait for the row. It reports
// false if others came while it waited, and it is to be made with them.
func (t *turn) alone(ctx context.Context, r *call) bool {
	r.err = t.patiently(func() (err error) {
		if r.release {
			r.outcome, err = t.release(ctx, r.Attempt)
		} else {
			*r.reply, err = t.acquire(ctx, r)
		}
		return err
	})
	stuck := hasCode(r.err, codeLockTimeout)
	t.conn.locked.set(r.Name, stuck)
	if stuck && r.release {
		r.outcome, r.err = driver.Busy, nil
	}
	return !stuck || !t.conn.calls.Waiting()
}

// patiently runs fn, which may wait for a row, and again when the lock timeout has ended
// that, unless others wait for their turn, or in this one.
func (t *turn) patiently(fn func() error) error {
	const slices = 10
	for range slices - 1 {
		if err := fn(); !hasCode(err, codeLockTimeout) || t.shared || t.conn.calls.Waiting() {
			return err
		}
	}
	return fn()
}

// acquire asks with the shorter statement first where that is likely to do.
func (t *turn) acquire(ctx context.Context, r *call) (driver.Reply, error) {
	if r.Terms != (driver.Terms{}) {
		return t.acquireSlowly(ctx, r)
	}
	var reply driver.Reply
	var err error
	switch {
	case t.conn.quick[r.Name]:
		reply, err = t.grant(ctx, r.Attempt)
	case t.conn.hot[r.Name] && r.wait:
		reply, err = t.queueSoon(ctx, r.Attempt)
	}
	if err != nil || reply.Lock.Held() {
		return reply, err
	}
	reply, crowded, err := t.enter(ctx, r)
	t.conn.hot.set(r.Name, err == nil && reply.Lock.Ahead(r.Place()) >= 0)
	if err == nil && crowded {
		reply, err = t.acquireSlowly(ctx, r)
	}
	return reply, err
}

// grant makes the common acquisition; the zero Reply: nothing was done.
func (t *turn) grant(ctx context.Context, a driver.Attempt) (driver.Reply, error) {
	s := t.session
	reply := driver.Reply{Lock: driver.Lock{Name: a.Name, Holder: a.Place()}, Epoch: uint64(s.epoch)}
	found, err := s.once(ctx, t.sql.grant, func(row [][]byte) {
		reply.Lock.Fence, reply.Lock.Since = number(row[0]), instant(row[1])
	}, a.Name, a.Lease, a.Ticket, s.epoch, s.timeline)
	if !found {
		return driver.Reply{}, err
	}
	t.wrote()
	t.conn.quick.set(a.Name, false)
	return reply, nil
}

// queueSoon takes a place in the queue of a hot lock. Whoever is to pass that on needs its
// row, so this does not wait in line for it, but for moments when nobody has it; and not for
// long, nor while others wait for their turn. The zero Reply: nothing was done.
func (t *turn) queueSoon(ctx context.Context, a driver.Attempt) (driver.Reply, error) {
	const first, last = 100 * time.Microsecond, 400 * time.Microsecond
	for pause := first; ; pause += first {
		reply, err := t.queue(ctx, a)
		if err != nil || reply.Lock.Held() || pause > last || t.conn.calls.Waiting() {
			return reply, err
		}
		backoff.Sleep(ctx, pause)
	}
}

// queue takes a place in a queue, or the lock if that is free by now; the zero Reply:
// nothing was done.
func (t *turn) queue(ctx context.Context, a driver.Attempt) (driver.Reply, error) {
	row := lockRow{name: &a.Name, age: new(int64)}
	s := t.session
	err := s.QueryRow(ctx, t.sql.queue, a.Name, [16]byte(a.Lease), [16]byte(a.Ticket), s.epoch, s.timeline).
		Scan(&row.fence, &row.holder, &row.ticket, &row.since, &row.leases, &row.tickets, nil)
	if errors.Is(err, pgx.ErrNoRows) {
		return driver.Reply{}, nil
	}
	if err != nil {
		return driver.Reply{}, err
	}
	lock, err := row.lock()
	if lock.HeldBy(a.Place()) {
		t.wrote()
	}
	return driver.Reply{Lock: lock, Epoch: uint64(s.epoch)}, err
}

// enter makes any acquisition of a plain row; crowded: the row is not plain, and nothing
// was done.
func (t *turn) enter(ctx context.Context, r *call) (reply driver.Reply, crowded bool, err error) {
	s := t.session
	err = t.conn.granting(ctx, s, t.sql, func() (done bool, on standing, err error) {
		var alive bool
		var row lockRow
		err = s.QueryRow(ctx, t.sql.acquire, r.Name, [16]byte(r.Lease), [16]byte(r.Ticket), r.wait, s.system).
			Scan(append([]any{&reply.Epoch, &on.same, &on.granting, &alive}, row.targets()...)...)
		if err != nil {
			return false, on, err
		}
		s.belongs(reply.Epoch, on.same)
		switch {
		case !alive:
			return true, on, driver.ErrLeaseGone
		case row.crowd != nil:
			crowded = true
			return true, on, nil
		case row.name != nil:
			reply.Lock, err = row.lock()
			return on.same, on, err
		case on.same && on.granting:
			return true, on, s.damage(ctx, t.sql, r.Name)
		default:
			return false, on, nil
		}
	})
	if err != nil {
		return driver.Reply{}, false, err
	}
	return reply, crowded, nil
}

// damage returns the error for a row that an acquisition has left alone.
func (s *session) damage(ctx context.Context, sql *statements, name string) error {
	rows, err := s.read(ctx, sql, driver.Query{Names: []string{name}})
	if err == nil {
		_, err = collect(rows)
	}
	return cmp.Or(err, errChanging)
}

// release makes the common release if it can, and any other one if not.
func (t *turn) release(ctx context.Context, a driver.Attempt) (outcome driver.Outcome, err error) {
	crowded := a.Terms != driver.Terms{}
	if !crowded {
		var passed bool
		if t.conn.calm[a.Name] >= calm {
			if passed, err = t.leave(ctx, a); err != nil || passed {
				return driver.Released, err
			}
		}
		for range 4 { // others lock the row for a moment when they queue
			if passed, err = t.pass(ctx, a); err != nil || passed {
				return driver.Released, err
			}
		}
		err = t.conn.granting(ctx, t.session, t.sql, func() (done bool, on standing, err error) {
			outcome, crowded, on, err = t.settle(ctx, a)
			return crowded || outcome != driver.Busy || on.same && on.granting, on, err
		})
	}
	if err == nil && crowded {
		outcome, err = t.releaseSlowly(ctx, a)
	}
	if _, paused := asType[*pausedError](err); paused {
		return driver.Busy, nil
	}
	if err != nil {
		return driver.Absent, err
	}
	return outcome, nil
}

// calm is how many releases in a row that nobody waited for make a name one for which that
// is tried first. Where somebody does wait then, the release takes one round trip more.
const calm = 8

// leave makes the release of a lock that nobody waits for, and reports whether it did.
func (t *turn) leave(ctx context.Context, a driver.Attempt) (bool, error) {
	mayLose, sent := t.mayLose(), clock.Now()
	found, err := t.session.once(ctx, t.sql.leave, func([][]byte) {},
		a.Name, a.Lease, a.Ticket, mayLose)
	if found {
		t.freed(a, mayLose, sent)
	} else {
		delete(t.conn.calm, a.Name)
	}
	return found, err
}

// pass makes the common release, and reports whether it did.
func (t *turn) pass(ctx context.Context, a driver.Attempt) (bool, error) {
	next, told := grant{name: a.Name}, false
	s, mayLose, sent := t.session, t.mayLose(), clock.Now()
	found, err := s.once(ctx, t.sql.pass, func(row [][]byte) {
		next.lease, next.ticket = optionalID(row[0]), optionalID(row[1])
		next.fence, told = int64(number(row[2])), row[3][0] != 0
	}, a.Name, a.Lease, a.Ticket, s.epoch, s.timeline, mayLose)
	if found && next.lease == nil {
		t.freed(a, mayLose, sent)
		return true, nil
	}
	t.conn.quick.set(a.Name, false)
	delete(t.conn.calm, a.Name)
	if found {
		t.wrote()
		if !told {
			t.untold = append(t.untold, next)
		}
	}
	return found, err
}

// mayLose reports whether a release that frees its lock need not wait for the disk.
func (t *turn) mayLose() bool {
	// A crash ends no session whose process is lent, so nothing would tell of it.
	return !t.sure && t.session.lent == nil && t.conn.unflushed.room()
}

// freed notes a release that was asked for at the instant sent, and left the lock free.
func (t *turn) freed(a driver.Attempt, mayLose bool, sent time.Time) {
	t.conn.quick.set(a.Name, true)
	if len(t.conn.calm) >= maxNames {
		clear(t.conn.calm)
	}
	t.conn.calm[a.Name]++
	if mayLose {
		t.conn.unflushed.note(a, sent)
	} else {
		t.wrote()
	}
}

// settle makes any release from a plain row; crowded: the row is not plain, and nothing
// was done.
func (t *turn) settle(ctx context.Context, a driver.Attempt) (outcome driver.Outcome, crowded bool, on standing, err error) {
	var holds, done, silent bool
	on = standing{same: true, granting: true} // where no row tells
	s := t.session
	err = s.QueryRow(ctx, t.sql.release, a.Name, [16]byte(a.Lease), [16]byte(a.Ticket), s.system).
		Scan(&holds, &crowded, &done, &on.same, &on.granting, &silent)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return driver.Absent, false, on, nil
	default:
		return releaseOutcome(holds, done), crowded, on, err
	}
}

func releaseOutcome(holds, done bool) driver.Outcome {
	switch {
	case !done:
		return driver.Busy
	case holds:
		return driver.Released
	default:
		return driver.Cancelled
	}
}
