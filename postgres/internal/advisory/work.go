package advisory

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// mostSteps bounds one statement.
const mostSteps = 1000

// work is what one goroutine does for as long as the session lives: it sends what rows
// ask for, all of it that there is at a time, polls, and looks after leases.
func (t *Table) work(s *Session) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		for ops := t.take(s); len(ops) > 0; ops = t.take(s) {
			t.run(s, ops)
		}
		timer.Reset(t.untilNext(s))
		select {
		case <-t.signal:
		case <-timer.C:
			t.tend(s)
		case <-s.Ended():
			t.lose(s)
			return
		}
	}
}

// take returns what to send now.
func (t *Table) take(s *Session) []*op {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != s || s.Cause() != nil {
		return nil
	}
	t.pollDue()
	n := min(len(t.ops), mostSteps)
	if t.careful > 0 && n > 0 {
		t.careful--
		n = 1
	}
	ops := t.ops[:n:n]
	t.ops = t.ops[n:]
	return ops
}

// run sends what was asked for, and goes on with the rows that asked.
func (t *Table) run(s *Session, ops []*op) {
	steps, keys := []step{whoami}, []int64{0}
	draw := 0
	for _, o := range ops {
		draw += o.fences
		if !o.none {
			steps, keys = append(steps, o.step), append(keys, o.row.key)
		}
	}
	results := make([]int32, len(steps))
	units := []*unit{keysUnit(steps, keys, results)}
	var last uint64
	if draw > 0 {
		units = append(units, fenceUnit(draw, &last))
	}
	if s.exchange(context.Background(), units...) != nil {
		return // the session has ended, and with it all rows
	}
	err := units[0].err
	if err != nil {
		err = t.recover(s, ops, err)
	} else if s.check(results[0]) != nil {
		return
	}
	var fenceErr error
	if draw > 0 && units[1].err != nil {
		fenceErr = units[1].err
	} else if draw > 0 && last == 0 {
		fenceErr = errNoRow
	}
	t.finish(s, ops, results[1:], err, last-uint64(draw)+1, fenceErr)
}

// errNoRow: the table of fences was emptied.
var errNoRow = errors.New("the table of fences has no row")

// finish takes in the results. err: the keys are as recover has found them. first is the
// first of the fences drawn.
func (t *Table) finish(s *Session, ops []*op, results []int32, err error, first uint64, fenceErr error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session != s {
		return
	}
	for _, o := range ops {
		r := o.row
		r.op = nil
		if !o.none {
			if err == nil {
				o.apply(results[0])
				results = results[1:]
			} else if o.raises() && r.held != o.target && len(ops) == 1 {
				o.call.err = err
			}
		}
		if o.fences > 0 {
			r.take(o, first, fenceErr)
			first += uint64(o.fences)
		}
		t.advance(r)
	}
}

// raises reports whether the op asks for more of a key.
func (o *op) raises() bool { return !o.none && o.step <= upgrade }

// apply notes what has become of the key.
func (o *op) apply(result int32) {
	switch {
	case result == 1 || !o.raises():
		o.row.held = o.target
		if o.target != exclusive {
			o.row.next, o.row.end = 0, 0
		}
	default:
		o.call.refused = true
	}
}

// take notes the fences drawn for o, if the session has the key.
func (r *row) take(o *op, first uint64, err error) {
	switch {
	case o.call.refused || o.call.err != nil || r.held != o.target:
	case err != nil:
		o.call.err = classify(fmt.Errorf("drawing a fence: %w", err))
	default:
		r.next, r.end = first, first+uint64(o.fences)
	}
}

// recover finds out what a statement that failed has left behind: it may have taken keys
// before it failed. It returns the failure for those who asked.
func (t *Table) recover(s *Session, ops []*op, failure error) error {
	has := map[int64]mode{}
	mine := mineUnit(has)
	if s.exchange(context.Background(), mine) != nil {
		return failure
	}
	if mine.err != nil {
		s.fail(fmt.Errorf("the server does not tell which keys are held: %w", mine.err))
		return failure
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.careful = len(ops) // one by one, so that the one to blame fails alone
	for _, o := range ops {
		if !o.none {
			o.row.held = has[o.row.key]
			o.row.next, o.row.end = 0, 0
		}
	}
	if len(ops) == 1 && !ops[0].none && !ops[0].raises() && ops[0].row.held > ops[0].target {
		s.fail(fmt.Errorf("a key cannot be given back: %w", failure))
	}
	return classify(failure)
}

// codeFull is the SQLSTATE of a server that has no room for another lock.
const codeFull = "53200"

// errFull explains it.
var errFull = errors.New("the server's lock table is full: hold fewer locks, or raise max_locks_per_transaction")

// classify marks the errors that waiting does not cure.
func classify(err error) error {
	var reply *pgconn.PgError
	if !errors.As(err, &reply) {
		return err
	}
	switch {
	case reply.Code == codeFull:
		return driver.Permanent(fmt.Errorf("%w: %w", errFull, err))
	case reply.Code[:2] == "42":
		return driver.Permanent(err)
	}
	return err
}

// untilNext returns how long the worker may sleep.
func (t *Table) untilNext(s *Session) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	left := tendEvery(t.ttl)
	if t.session == s && !t.pollAt.IsZero() {
		left = min(left, clock.Until(t.pollAt))
	}
	return max(left, 0)
}

// tendEvery is how often leases are looked at.
func tendEvery(ttl time.Duration) time.Duration {
	return min(max(ttl/4, 10*time.Millisecond), time.Second)
}

// MaxPoll is the longest time between two questions for a key that another session has.
const MaxPoll = 50 * time.Millisecond

// minPoll is the shortest.
const minPoll = time.Millisecond

// postpone sets when to ask for the row's key again: after a quarter of the time since it
// was first asked for.
func (t *Table) postpone(r *row) {
	now := clock.Recent()
	r.pause = backoff.Jitter(min(max(now.Sub(r.since)/4, minPoll), MaxPoll*3/4))
	r.due = now.Add(r.pause)
	if t.pollAt.IsZero() || r.due.Before(t.pollAt) {
		t.pollAt = r.due
	}
}

// pollDue asks again for the keys that are due, and for those that nearly are.
func (t *Table) pollDue() {
	now := clock.Recent()
	if t.pollAt.IsZero() || now.Before(t.pollAt) {
		return
	}
	t.pollAt = time.Time{}
	for r := range t.foreign {
		switch {
		case r.op != nil || len(r.calls) > 0 || !t.awaited(&r.lock):
			t.postpone(r)
		case r.due.Sub(now) <= r.pause/4:
			t.postpone(r)
			t.enter(&call{kind: poll, attempt: driver.Attempt{Name: r.lock.Name}, done: make(chan struct{})})
		case t.pollAt.IsZero() || r.due.Before(t.pollAt):
			t.pollAt = r.due
		}
	}
}
