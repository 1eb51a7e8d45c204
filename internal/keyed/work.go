package keyed

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// mostSteps bounds one statement.
const mostSteps = 1000

// work is what one goroutine does for as long as clients are connected: it makes their
// calls, sends what those ask the server for, polls, and looks after leases.
func (t *Table) work(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		left, ended := t.outlook()
		timer.Reset(left)
		select {
		case <-t.signal:
		case <-timer.C:
			t.tend()
		case <-ended:
		case <-ctx.Done():
			return
		}
		t.turn()
	}
}

// outlook returns how long the worker may sleep, and what tells it of the session's end.
func (t *Table) outlook() (left time.Duration, ended <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	left = clock.Until(t.tendAt)
	if !t.pollAt.IsZero() {
		left = min(left, clock.Until(t.pollAt))
	}
	if t.session != nil {
		ended = t.session.Ended()
	}
	return max(left, 0), ended
}

// mostRounds bounds how often a batch is held back for those who are about to ask too.
const mostRounds = 8

// turn makes the calls in the inbox, and sends what there is to send, unless a statement is
// under way. Then the goroutines that the last reply has woken run first, for as long as
// they ask for more: what they ask for costs little in the same statement, and a whole
// round trip in the next. Nobody waits for one who sleeps.
func (t *Table) turn() {
	if s := t.current(); s != nil && s.Cause() != nil {
		t.lose(s)
	}
	ready, _ := t.drain()
	for rounds, more := 0, true; ready && more && rounds < mostRounds; rounds++ {
		runtime.Gosched()
		ready, more = t.drain()
	}
	if !ready {
		return
	}
	t.mu.Lock()
	var batches []*batch
	for t.ready() {
		batches = append(batches, t.take())
	}
	t.mu.Unlock()
	for _, b := range batches {
		t.send(b)
	}
}

func (t *Table) current() Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.session
}

// drain makes the calls in the inbox. It reports whether there is something to send, and
// whether there were any.
func (t *Table) drain() (ready, more bool) {
	calls := t.inbox.take()
	t.mu.Lock()
	defer t.unlock()
	for _, c := range calls {
		t.enter(c)
	}
	return t.ready(), len(calls) > 0
}

// ready reports whether there is something to send, and it may be sent. What has failed is
// made good first, and one of whom that may be the fault goes alone. t.mu is held.
func (t *Table) ready() bool {
	if len(t.ops) == 0 || t.session == nil {
		return false
	}
	return len(t.flying) == 0 || len(t.flying) < t.cfg.InFlight && t.failed == 0 && t.careful == 0
}

// few is how many ops are worth a batch of their own beside others.
const few = 4

// take returns what to send now: all that there is, or if batches are under way at a time,
// a part of it, so that the server has one while the callers of the other are told, and ask
// again. t.mu is held.
func (t *Table) take() *batch {
	n := min(len(t.ops), mostSteps)
	switch {
	case t.careful > 0:
		t.careful--
		n = 1
	case t.cfg.InFlight > 1:
		all := len(t.ops)
		for _, b := range t.flying {
			all += len(b.ops)
		}
		n = min(n, max(few, all/2))
	}
	b := &batch{session: t.session, ops: t.ops[:n:n]}
	t.flying = append(t.flying, b)
	if t.ops = t.ops[n:]; len(t.ops) == 0 {
		t.ops = nil
	}
	return b
}

// batch is what is asked for at a time.
type batch struct {
	Batch
	session Session
	ops     []*op
}

// send sends a batch.
func (t *Table) send(b *batch) {
	b.Steps, b.Keys = make([]Step, 0, len(b.ops)), make([]string, 0, len(b.ops))
	for _, o := range b.ops {
		if o.fences > 0 {
			b.Fences += o.fences
			b.Draws = append(b.Draws, o.index(len(b.Steps)))
		}
		if !o.none {
			b.add(o.step, o.row.key)
		}
		if o.shows {
			b.add(Show, o.row.key)
		}
	}
	b.session.Do(&b.Batch, func(err error) {
		switch {
		case b.session.Cause() != nil: // it has ended, and with it all rows
		case err != nil:
			t.fail(b)
			t.wg.Go(func() { t.recover(b, err) })
		default:
			t.finish(b, nil)
		}
	})
}

func (b *Batch) add(s Step, key string) { b.Steps, b.Keys = append(b.Steps, s), append(b.Keys, key) }

// index returns the index of the step that decides whether fences are needed, if it is
// the next; -1: none does.
func (o *op) index(next int) int {
	if o.none {
		return -1
	}
	return next
}

// finish takes in the reply to a batch, and sends what it leads to. err: it failed, and the
// keys are as recover found them.
func (t *Table) finish(b *batch, err error) {
	t.mu.Lock()
	defer t.poke()
	defer t.unlock()
	if t.session != b.session {
		return
	}
	t.flying = slices.DeleteFunc(t.flying, func(other *batch) bool { return other == b })
	if err != nil {
		t.failed--
	}
	results, first := b.Done, b.First
	for _, o := range b.ops {
		r := o.row
		r.op = nil
		switch {
		case err != nil && len(b.ops) == 1 && o.call != nil && !o.lowers() && (!o.raises() || r.held != o.target):
			o.call.err = err
		case err == nil:
			if !o.none {
				o.apply(results[0])
				results = results[1:]
			}
			if o.shows {
				r.waits = results[0]
				results = results[1:]
			}
			o.keep(first)
			first += uint64(o.fences)
		}
		t.advance(r)
	}
}

// raises reports whether the op asks for more of a key, and lowers, for less.
func (o *op) raises() bool { return !o.none && o.step <= Upgrade }
func (o *op) lowers() bool { return !o.none && o.step > Upgrade && o.step < Unguarded }

// apply notes what has become of the key.
func (o *op) apply(yes bool) {
	switch {
	case o.step == Unguarded:
		o.row.guarded, o.call.refused = !yes, !yes
	case o.step == Wanted:
		o.row.turn = clock.Recent()
		o.row.yield, o.call.refused = yes, yes
		o.row.leaving = yes && o.row.held != None
	case o.step == Hide:
		o.row.waits = false
	case o.raises() && !yes:
		o.call.refused = true
	default:
		o.row.have(o.target)
	}
}

// have notes what the session has of the key.
func (r *row) have(m Mode) {
	switch now := clock.Recent(); {
	case m == None && r.held != None:
		r.freed = now
	case m != None && r.held == None && now.Sub(r.freed) > MaxPoll:
		r.turn = now
	}
	if m < r.held {
		r.stuck = 0
	}
	r.held, r.leaving = m, r.leaving && m != None
	if m != Exclusive {
		r.next, r.end = 0, 0
	}
	r.guarded = r.guarded && m != None
}

// keep notes the fences drawn for o, if the session has the key.
func (o *op) keep(first uint64) {
	if o.fences > 0 && !o.call.refused {
		o.row.next, o.row.end = first, first+uint64(o.fences)
	}
}

// mostTries is how often in a row a key may fail to be given back. One failure may be that a
// statement was cancelled, which is no reason to give up all that the session has.
const mostTries = 10

// fail notes that a batch has failed: nothing is sent until recover has ended.
func (t *Table) fail(b *batch) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.session == b.session {
		t.failed++
	}
}

// recover finds out what a statement that failed has left behind: it may have taken keys
// before it failed.
func (t *Table) recover(b *batch, failure error) {
	s := b.session
	var hide []string
	for _, o := range b.ops {
		if o.shows || o.step == Hide || o.row.waits {
			hide = append(hide, o.row.key)
		}
	}
	has, err := s.Tidy(b.Keys, hide)
	if err != nil {
		s.Fail(fmt.Errorf("the server does not tell which keys are held: %w", err))
		return
	}
	t.mu.Lock()
	t.careful = max(t.careful, len(b.ops)) // one by one, so that the one to blame fails alone
	for _, o := range b.ops {
		if !o.none {
			o.row.have(has[o.row.key])
			o.row.waits = false
			o.row.guarded = o.row.held != None // nobody knows whether it looked for one
		}
		o.row.next, o.row.end = 0, 0
	}
	stuck := false
	if o := b.ops[0]; len(b.ops) == 1 && o.lowers() && has[o.row.key] > o.target {
		o.row.stuck++
		stuck = o.row.stuck > mostTries
	}
	t.mu.Unlock()
	if stuck {
		s.Fail(fmt.Errorf("a key cannot be given back: %w", failure))
		return
	}
	t.finish(b, failure)
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
	r.pause = backoff.Jitter(min(max(now.Sub(r.since)/4, minPoll), MaxPoll))
	if r.yield {
		r.pause, r.yield = MaxPoll, false // the others have asked by then
	}
	r.due = now.Add(r.pause)
	if t.pollAt.IsZero() || r.due.Before(t.pollAt) {
		t.pollAt = r.due
		t.poke()
	}
}

// poll asks again for the keys that are due, and for those that nearly are. t.mu is held.
func (t *Table) poll() {
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
			t.enter(&call{kind: poll, attempt: driver.Attempt{Name: r.lock.Name}, finish: func() {}})
		case t.pollAt.IsZero() || r.due.Before(t.pollAt):
			t.pollAt = r.due
		}
	}
}
