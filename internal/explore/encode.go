package explore

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// encoder writes a state down so that two states are written alike if everything that
// may follow from them is alike: ages instead of instants, and none that is beyond all
// deadlines; the order of fences and epochs instead of their values; by how much a beat
// differs from that of the row. So the states are finite though time is not.
type encoder struct {
	w *world
	b []byte

	fences, epochs ranks
}

// ranks are values of which only the order matters, and where they stand in the
// encoding.
type ranks struct {
	values []uint64
	places []int
	order  []uint64 // of the values
}

func (r *ranks) note(at int, value uint64) {
	r.values = append(r.values, value)
	r.places = append(r.places, at)
}

// fill replaces each value by its rank.
func (r *ranks) fill(b []byte) {
	r.order = append(r.order[:0], r.values...)
	slices.Sort(r.order)
	order := slices.Compact(r.order)
	for i, at := range r.places {
		rank, _ := slices.BinarySearch(order, r.values[i])
		b[at] = byte(rank)
	}
	r.values, r.places = r.values[:0], r.places[:0]
}

func (e *encoder) encode(w *world) []byte {
	e.w, e.b = w, e.b[:0]
	s := w.spent
	e.bytes(s.lost, s.late, s.hints, s.crashes, s.cancels, s.revokes, s.promotions)
	for _, fence := range w.highest {
		e.fence(fence)
	}
	if w.bounds.runs() { // grants of this very instant take the clock further
		e.fence(uint64(w.clock().UnixMicro()))
	}
	for _, kept := range w.kept {
		e.bytes(byte(max(kept-w.now, 0)))
	}
	e.database(&w.db)
	if e.flag(w.copy != nil); w.copy != nil {
		e.bytes(byte(w.now - w.copied))
		e.database(w.copy)
	}
	for i := range w.people {
		e.client(&w.people[i])
	}
	e.fences.fill(e.b)
	e.epochs.fill(e.b)
	return e.b
}

func (e *encoder) bytes(b ...byte) { e.b = append(e.b, b...) }

func (e *encoder) flag(is bool) {
	if is {
		e.bytes(1)
	} else {
		e.bytes(0)
	}
}

func (e *encoder) id(id driver.ID) { e.bytes(id[0], id[1], id[2]) }

func (e *encoder) fence(fence uint64) {
	e.fences.note(len(e.b), fence)
	e.bytes(0)
}

func (e *encoder) epoch(epoch uint64) {
	e.epochs.note(len(e.b), epoch)
	e.bytes(0)
}

// age writes how long ago an instant of a client's clock was: at most 5 ticks, beyond
// which every deadline has passed.
func (e *encoder) age(c *client, t time.Time) {
	age := local(c.number, e.w.now).Sub(t)
	e.b = binary.AppendVarint(e.b, int64(min(age, local(c.number, 5).Sub(epochStart))))
}

// ticks writes how long ago a tick was, at most 8.
func (e *encoder) ticks(then byte) { e.bytes(min(byte(e.w.now)-then, 8)) }

// beat writes a beat that somebody has seen: how it differs from what the row says, and
// the row of the copy. One that neither can have any more is all the same.
func (e *encoder) beat(id driver.ID, beat uint64) (matters bool) {
	rows := [2]*leaseRow{e.w.db.lease(id)}
	if e.w.copy != nil {
		rows[1] = e.w.copy.lease(id)
	}
	for _, r := range rows {
		switch {
		case r == nil || r.beat > beat:
			e.bytes(255)
		default:
			e.bytes(byte(beat - r.beat))
			matters = true
		}
	}
	return matters
}

func (e *encoder) database(d *database) {
	e.locks(d.locks)
	e.bytes(byte(len(d.leases)))
	for _, r := range d.leases {
		e.id(r.id)
		e.bytes(r.client, r.notice)
		if e.w.bounds.clocked() {
			e.ticks(r.renewed)
		}
		if d == e.w.copy {
			e.beat(r.id, r.beat)
		}
	}
	e.epoch(d.number)
	e.bytes(d.recorded, d.incarnation, d.sequence)
	e.flag(d.granting)
}

func (e *encoder) client(c *client) {
	if e.flag(c.crashed); c.crashed {
		return
	}
	e.id(c.lease)
	e.bytes(c.leases, c.tried)
	e.flag(c.ghosts)
	if !c.lease.IsZero() {
		e.trust(c)
	}
	if e.flag(c.watched == e.w.db.number && !e.w.db.granting); c.watched == e.w.db.number && !e.w.db.granting {
		e.b = binary.AppendVarint(e.b, int64(c.grace.Left(ttl, local(c.number, e.w.now))))
	}
	e.renewal(c)
	e.attempt(c)
	e.watcher(c)
}

func (e *encoder) trust(c *client) {
	e.flag(c.drawn == e.w.now)
	e.flag(c.trust.Cause != nil)
	e.flag(c.trust.Dirty)
	if c.trust.Cause == nil {
		e.age(c, c.trust.Sent)
	}
	e.reply(c.trust.Known)
}

func (e *encoder) reply(r driver.Renewal) {
	e.epoch(r.Epoch)
	e.bytes(byte(r.Notice))
}

func (e *encoder) renewal(c *client) {
	r := &c.renewal
	if e.bytes(byte(r.phase)); r.phase == renewalIdle {
		return
	}
	e.ticks(r.sent)
	e.reply(r.reply)
	if e.flag(r.held != nil); r.held != nil {
		e.id(r.held.Ticket)
		e.fence(r.held.Fence)
	}
	e.locks(r.rows)
}

func (e *encoder) attempt(c *client) {
	a := &c.attempt
	e.flag(a.satisfied)
	e.flag(a.doubted)
	if e.bytes(byte(a.phase), a.name); !a.open() {
		return
	}
	e.id(a.lease)
	e.id(a.ticket)
	e.flag(a.reads == c.trust.Reads)
	e.flag(a.added == c.trust.Reads)
	e.fence(a.fence)
	e.fence(a.hint)
	e.epoch(a.epoch)
	e.lock(&a.row)
}

func (e *encoder) watcher(c *client) {
	w := &c.watcher
	e.epoch(w.epoch)
	e.sightings(c)
	if e.flag(w.look != nil); w.look != nil {
		e.view(&w.look.view)
		e.flag(w.look.reads == c.trust.Reads)
	}
	if e.flag(w.plan != nil); w.plan == nil {
		return
	}
	e.view(&w.plan.view)
	e.bytes(byte(w.plan.next), byte(len(w.plan.suspects)), byte(len(w.plan.ended)))
	for _, s := range w.plan.suspects {
		e.id(s.ID)
		e.flag(s.Grounds.Overdue != 0)
		e.beat(s.ID, s.Grounds.Observed)
	}
	for _, id := range w.plan.ended {
		e.id(id)
	}
	for _, fence := range w.plan.over {
		e.fence(fence)
	}
}

// sightings leaves out what can never be seen again.
func (e *encoder) sightings(c *client) {
	if c.attempt.phase != attemptWaiting && c.attempt.phase != attemptAsking && c.attempt.phase != attemptAnswered {
		return
	}
	list := slices.SortedFunc(c.watcher.tracker.Sightings(), func(a, b liveness.Sighting) int {
		if order := bytes.Compare(a.ID[:], b.ID[:]); order != 0 {
			return order
		}
		return int(int64(a.Fence) - int64(b.Fence))
	})
	for _, s := range list {
		e.id(s.ID)
		if !s.ID.IsZero() {
			if !e.beat(s.ID, s.Beat) {
				continue
			}
		} else {
			e.bytes(s.Name[0])
			e.fence(s.Fence)
		}
		e.age(c, s.First)
	}
}

func (e *encoder) view(v *driver.View) {
	e.locks(v.Locks)
	e.epoch(v.Epoch)
	ids := make([]driver.ID, 0, len(v.Leases))
	for id := range v.Leases {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b driver.ID) int { return bytes.Compare(a[:], b[:]) })
	for _, id := range ids {
		e.id(id)
		if e.beat(id, v.Leases[id].Beat); e.w.bounds.clocked() {
			e.bytes(byte(min(v.Leases[id].Age/tick, 8)))
		}
	}
}

func (e *encoder) locks(locks []driver.Lock) {
	e.bytes(byte(len(locks)))
	for i := range locks {
		e.lock(&locks[i])
	}
}

func (e *encoder) lock(l *driver.Lock) {
	e.fence(l.Fence)
	e.id(l.Holder.Lease)
	e.id(l.Holder.Ticket)
	e.mark(l.Mark)
	e.bytes(byte(len(l.Members)))
	for _, g := range l.Members {
		e.id(g.Lease)
		e.id(g.Ticket)
		e.fence(g.Fence)
		e.mark(g.Mark)
	}
	e.bytes(byte(len(l.Queue)))
	for _, p := range l.Queue {
		e.id(p.Lease)
		e.id(p.Ticket)
	}
	if e.flag(!l.KeptUntil.IsZero()); !l.KeptUntil.IsZero() {
		e.bytes(byte(max(l.KeptUntil.Sub(instant(e.w.now))/tick, 0)))
		e.flag(l.Kept > 0)
	}
}

func (e *encoder) mark(m *driver.Mark) {
	if e.flag(m != nil); m != nil && e.w.bounds.clocked() {
		e.bytes(byte(min(instant(e.w.now).Sub(m.At)/tick, 8)), byte(min(m.Age/tick, 8)))
	}
}
