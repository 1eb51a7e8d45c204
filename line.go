package leasehold

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
)

// line is everybody in this client who acquires one name, first come first. Only the
// first has something in the store: an attempt, and so one place in the database's
// queue. The others cost a few hundred bytes each.
//
// The place belongs to the line. One who gives up leaves it to the next, where that
// asks for the same: the ticket, the lease, and what was read of it before the
// attempt was sent stay what they are, so nothing of what makes a grant to it safe to
// believe in depends on who waits for it.
//
// waiting.mu guards the fields.
type line struct {
	first, last *request
	place       *attempt // of the first; nil: nothing is in the store

	trouble error      // the last failure of the store; nil after a success
	seen    *HeldError // the last holder seen
}

// enter puts r at the end of the line for its name. One who only tries is in a line of
// its own.
func (w *waiting) enter(r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[r.name]
	switch {
	case !r.wait:
		l = &line{}
		w.tries[l] = struct{}{}
	case l == nil:
		l = &line{}
		w.lines[r.name] = l
	}
	r.line, r.prev = l, l.last
	if l.last == nil {
		l.first = r
	} else {
		l.last.next = r
	}
	l.last = r
	r.first = l.first == r
}

// leave takes r out of its line, with or without the lock. The next one's turn comes.
func (w *waiting) leave(r *request) {
	if a := w.unlink(r); a != nil {
		a.abandon()
	}
}

// unlink is leave; it returns an attempt that nobody is there to have.
func (w *waiting) unlink(r *request) (left *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := r.line
	first := l.first == r
	l.cut(r)
	if l.first == nil {
		if delete(w.tries, l); w.lines[r.name] == l {
			delete(w.lines, r.name)
			if w.running && len(w.lines) == 0 {
				w.poke()
			}
		}
	}
	if !first {
		return nil
	}
	if r.fence != 0 {
		l.place = nil // it is the Lock's
	}
	if a := l.place; a != nil && !w.handOn(a, l.first) {
		l.place, left = nil, a
	}
	if next := l.first; next != nil {
		if r.fence != 0 {
			l.seen = &HeldError{Name: r.name, Fence: r.fence, Holder: r.client.self(r.fence)}
		}
		next.poke()
	}
	return left
}

// forsake gives up what r's line has in the store, because a Lock has it.
func (w *waiting) forsake(r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.line.place = nil
}

// cut takes r out of the list.
func (l *line) cut(r *request) {
	if r.prev == nil {
		l.first = r.next
	} else {
		r.prev.next = r.next
	}
	if r.next == nil {
		l.last = r.prev
	} else {
		r.next.prev = r.prev
	}
	r.prev, r.next = nil, nil
}

// handOn makes the attempt of one who has given up that of the next, who thus keeps
// the place in the database's queue. It reports false if that cannot be.
func (w *waiting) handOn(a *attempt, next *request) bool {
	if next == nil || next.opts.terms() != a.Terms || next.opts.ttl() != a.fixed ||
		a.lease.Cause() != nil || w.client.closing.Err() != nil {
		return false
	}
	a.owner = next
	if a.queued && a.reply.what == nothing {
		a.reply = news{what: queued, ahead: a.ahead} // as the next would have been told
	}
	return true
}

// turn waits until r is the first of its line. Most who wait are here, so the stack
// is kept shallow.
func (r *request) turn(ctx context.Context) error {
	for first := r.first; !first; first = r.client.waits.isFirst(r) {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		if r.client.closing.Err() != nil {
			return ErrClosed
		}
	}
	return nil
}

func (w *waiting) isFirst(r *request) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return r.line.first == r
}

// poke wakes r, which then looks what has happened.
func (r *request) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// wakeAll wakes everybody: a lease has ended, or the client is closed.
func (w *waiting) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, l := range w.lines {
		for r := l.first; r != nil; r = r.next {
			r.poke()
		}
	}
	for l := range w.tries {
		l.first.poke()
	}
}

// granted tells the attempt that the hint names of its grant. It reports whether
// there was one.
func (w *waiting) granted(lease driver.ID, hint driver.Hint) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	l := w.lines[hint.Name]
	if l == nil || l.place == nil || l.place.Ticket != hint.Ticket || l.place.Lease != lease {
		return false
	}
	l.place.tell(news{what: granted, fence: hint.Fence, reads: l.place.added})
	return true
}
