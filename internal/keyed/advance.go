package keyed

import (
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// op is what a row asks the server for.
type op struct {
	row    *row
	step   Step
	none   bool // it asks for fences only
	shows  bool // it shows that the session waits, too
	target Mode // what the session has of the key if the step succeeds
	fences int  // how many to draw
	call   *call
}

// ahead is how many more fences are drawn where others queue in the process, who would
// have to wait for their own.
const ahead = 64

// advance makes the calls on a row until one has to wait for the server.
func (t *Table) advance(r *row) {
	for len(r.calls) > 0 {
		c := r.calls[0]
		if o := t.attempt(r, c); o != nil {
			t.begin(r, o)
			return
		}
		r.calls[0] = nil
		r.calls = r.calls[1:]
		t.complete(c)
	}
	if o := t.settle(r, nil); o != nil {
		t.begin(r, o)
	}
}

// begin sends o with the next statement.
func (t *Table) begin(r *row, o *op) {
	r.op = o
	t.ops = append(t.ops, o)
}

// attempt makes the call, or returns what it needs from the server first. Nil: the call
// is over.
func (t *Table) attempt(r *row, c *call) *op {
	if c.committed && len(r.calls) > 1 {
		return nil // the next one may want the key
	}
	if c.committed || c.err != nil {
		return t.settle(r, c)
	}
	if c.err = t.admit(r, c); c.err != nil {
		return nil
	}
	if o := t.ask(r, c); o != nil {
		return o
	}
	first := t.nextFence(r)
	after := r.lock
	if c.apply(r, &after, time.UnixMicro(int64(first))); c.err != nil {
		return nil
	}
	fresh := granted(&r.lock, &after)
	if c.refused = c.refused || len(fresh) > 0 && r.leaving; c.refused {
		t.commit(r, c, c.withoutKey(r), nil, 0)
		return t.settle(r, c)
	}
	need := t.need(r, &after)
	switch {
	case len(fresh) > 0 && need > r.held:
		return &op{row: r, call: c, step: raise(r.held, need), target: need, fences: t.draws(&after, len(fresh), need), shows: c.kind == poll && !r.waits}
	case len(fresh) > 0 && r.turnOver():
		return &op{row: r, call: c, step: Wanted, target: r.held}
	case len(fresh) > 0 && r.guarded && len(r.lock.Members) == 0:
		return &op{row: r, call: c, step: Unguarded, target: r.held}
	case len(fresh) > 0 && t.cfg.Fences && r.drawn() < len(fresh):
		return &op{row: r, call: c, none: true, target: r.held, fences: t.draws(&after, len(fresh), need)}
	}
	t.commit(r, c, after, fresh, first)
	return t.settle(r, c)
}

// ask returns what an attempt on a free row needs, which is plain to see; nil where it is
// not.
func (t *Table) ask(r *row, c *call) *op {
	l := &r.lock
	if c.kind != acquire || c.refused || r.held != None || l.Held() || len(l.Queue) > 0 {
		return nil
	}
	if r.turnOver() {
		return &op{row: r, call: c, step: Wanted}
	}
	o := &op{row: r, call: c, step: TryExclusive, target: Exclusive}
	if c.attempt.Terms.Mode == driver.Shared {
		o.step, o.target = TryShared, Shared
	}
	if t.cfg.Fences {
		o.fences = 1
	}
	return o
}

// admit checks what the machine does not know.
func (t *Table) admit(r *row, c *call) error {
	if c.kind != acquire {
		return nil
	}
	if !t.lives(c.attempt.Lease) {
		return t.gone(c.attempt.Lease)
	}
	if other := t.keys[r.key]; other != r {
		if other != nil && other.busy() {
			return driver.Permanent(fmt.Errorf("%w (%s)", ErrKeyInUse, t.cfg.Show(r.key)))
		}
		t.keys[r.key] = r
	}
	return nil
}

// nextFence returns the fence of the next grant, or what stands for it.
func (t *Table) nextFence(r *row) uint64 {
	switch {
	case !t.cfg.Fences:
		return max(t.count, r.lock.Fence) + 1
	case r.drawn() > 0:
		return r.next
	default:
		return r.lock.Fence + 1
	}
}

// draws returns how many fences to draw.
func (t *Table) draws(after *driver.Lock, fresh int, need Mode) int {
	switch {
	case !t.cfg.Fences:
		return 0
	case need == Exclusive && len(after.Queue) > 0:
		return fresh + ahead
	default:
		return fresh
	}
}

// commit makes after the row.
func (t *Table) commit(r *row, c *call, after driver.Lock, fresh []driver.Grant, first uint64) {
	if len(fresh) > 0 {
		stamp(&after, first, time.Now())
		r.next = max(r.next, after.Fence+1)
		t.count = max(t.count, after.Fence)
	}
	c.lock, c.committed = after, true
	if after.Holder == r.foreign && len(after.Queue) == 0 {
		after.Holder = driver.Place{}
	}
	r.lock = after
	t.note(r)
	for _, g := range fresh {
		if c.kind != acquire || g.Place != c.attempt.Place() {
			t.tell(g.Lease, driver.Hint{Name: after.Name, Ticket: g.Ticket, Fence: g.Fence})
		}
	}
	if c.kind == revoke && c.changed {
		t.notice(r, c.ended)
	}
}

// notice raises the notice of the lease whose grant was marked.
func (t *Table) notice(r *row, fence uint64) {
	g, _ := r.lock.GrantUnder(fence)
	if l := t.leases[g.Lease]; l != nil {
		l.notice++
		t.tell(g.Lease, driver.Hint{Name: r.lock.Name})
	}
}

// note puts the row on the list of those that are asked for again, or takes it off.
func (t *Table) note(r *row) {
	_, listed := t.foreign[r]
	switch foreign := r.isForeign(); {
	case foreign && !listed:
		t.foreign[r] = struct{}{}
		r.since, r.pause = clock.Recent(), 0
		t.postpone(r)
	case !foreign:
		delete(t.foreign, r)
		r.yield = r.yield && r.leaving
	}
}

// settle returns what gives back as much of the key as the row does not need, or nil.
func (t *Table) settle(r *row, c *call) *op {
	need := t.need(r, &r.lock)
	switch {
	case t.session == nil:
		return nil
	case need >= r.held && r.waits && !r.isForeign():
		return &op{row: r, call: c, step: Hide, target: r.held}
	case need >= r.held:
		return nil
	case need == Shared:
		return &op{row: r, call: c, step: Downgrade, target: Shared}
	case r.held == Shared:
		return &op{row: r, call: c, step: UnlockShared, target: None}
	default:
		return &op{row: r, call: c, step: UnlockExclusive, target: None}
	}
}

// turnTime is how long a process may keep a name to itself that others wait for.
const turnTime = 100 * time.Millisecond

// turnOver reports whether the process has had the key for so long that it is to let
// others have it, if any wait.
func (r *row) turnOver() bool {
	now := clock.Recent()
	return !r.turn.IsZero() && now.Sub(r.turn) > turnTime && (r.held != None || now.Sub(r.freed) <= MaxPoll)
}

// raise returns the step from what is held of a key to more.
func raise(held, need Mode) Step {
	switch {
	case held == Shared:
		return Upgrade
	case need == Shared:
		return TryShared
	default:
		return TryExclusive
	}
}

// need returns what the row, as l, needs of its key.
//
// The dead need none: nobody who may still act holds the lock then. But where somebody
// who lives waits behind them, who will take over, the session keeps what it has.
func (t *Table) need(r *row, l *driver.Lock) Mode {
	switch {
	case !l.Held() || l.Holder == r.foreign:
		return None
	case t.lives(l.Holder.Lease):
		return Exclusive
	case slices.ContainsFunc(l.Members, func(g driver.Grant) bool { return t.lives(g.Lease) }):
		return Shared
	case t.awaited(l):
		return r.held
	default:
		return None
	}
}

// awaited reports whether anybody who lives waits in the row.
func (t *Table) awaited(l *driver.Lock) bool {
	return slices.ContainsFunc(l.Queue, func(w driver.Waiter) bool { return t.lives(w.Lease) })
}
