package explore

import (
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// database is what is stored. Rows of locks are changed by package machine alone, and
// a queue is never changed in place; so a copy of the slice is a copy of the rows.
type database struct {
	locks  []driver.Lock
	leases []leaseRow // in order of making

	number      uint64 // of the epoch on record
	recorded    byte   // the incarnation on record
	incarnation byte   // what the server is
	granting    bool
	sequence    byte // for ids, where they come from one
}

type leaseRow struct {
	id      driver.ID
	client  byte // who made it; the product does not know
	beat    uint64
	notice  byte
	renewed byte // the tick
}

func (d *database) clone() database {
	c := *d
	c.locks, c.leases = slices.Clone(d.locks), slices.Clone(d.leases)
	return c
}

func (d *database) lease(id driver.ID) *leaseRow {
	i := slices.IndexFunc(d.leases, func(r leaseRow) bool { return r.id == id })
	if i < 0 {
		return nil
	}
	return &d.leases[i]
}

// record puts the server's incarnation on record, as the first call does that finds
// another one there.
func (w *world) record() {
	d := &w.db
	if d.recorded == d.incarnation {
		return
	}
	d.recorded = d.incarnation
	d.number = max(d.number+1, uint64(instant(w.now).UnixMicro()))
	d.granting = mutation.On(mutation.NoGrace)
}

func (d *database) create(id driver.ID, client, now int) driver.Renewal {
	d.leases = append(d.leases, leaseRow{id: id, client: byte(client), beat: 1, renewed: byte(now)})
	return driver.Renewal{Epoch: d.number}
}

// renew raises the beat. It reports false if there is no row.
func (d *database) renew(id driver.ID, now int) (driver.Renewal, bool) {
	r := d.lease(id)
	if r == nil {
		return driver.Renewal{}, false
	}
	r.beat++
	r.renewed = byte(now)
	return driver.Renewal{Epoch: d.number, Notice: uint64(r.notice)}, true
}

// endLease deletes a lease if the grounds hold, and reports whether it is gone.
func (d *database) endLease(id driver.ID, g driver.Grounds, now int) bool {
	r := d.lease(id)
	switch {
	case r == nil:
		return true
	case g.Own, g.Observed != 0 && r.beat == g.Observed,
		g.Overdue != 0 && instant(now).Sub(instant(int(r.renewed))) > ttl+g.Overdue:
		d.leases = slices.DeleteFunc(d.leases, func(r leaseRow) bool { return r.id == id })
		return true
	default:
		return false
	}
}

// change runs one transition of a lock's row. A transition that grants is undone while
// the epoch does not grant; change then reports false.
func (w *world) change(name int, transition func(*driver.Lock)) bool {
	before := w.db.locks[name]
	after := before
	transition(&after)
	if granted(before, after) {
		w.record()
		if !w.db.granting {
			return false
		}
	}
	w.db.locks[name] = after
	if granted(before, after) {
		w.judgeGrant(name, after)
		w.hint(name, after)
	}
	return true
}

// granted reports whether a transition has given the lock to somebody.
func granted(before, after driver.Lock) bool {
	return after.Held() && (before.Holder != after.Holder || before.Fence != after.Fence)
}

// acquire reports false if nothing is granted now.
func (w *world) acquire(a *attempt, wait bool) bool {
	l := w.db.locks[a.name]
	if w.record(); !w.db.granting && (!l.Held() || wait && !l.HeldBy(a.place()) && l.Ahead(a.place()) < 0) {
		return false
	}
	return w.change(int(a.name), func(l *driver.Lock) { _, _ = machine.Acquire(l, a.asks(), wait, w.clock()) })
}

func (w *world) release(name int, p driver.Place) bool {
	return w.change(name, func(l *driver.Lock) { machine.Release(l, p, w.clock()) })
}

func (w *world) takeOver(name int, gone []driver.ID, over uint64) {
	w.change(name, func(l *driver.Lock) { machine.TakeOver(l, gone, over, w.clock()) })
}

func (w *world) revoke(name int) {
	l := &w.db.locks[name]
	if _, changed := machine.Revoke(l, l.Fence, driver.Mark{By: "operator", At: instant(w.now)}, w.clock()); changed {
		if r := w.db.lease(l.Holder.Lease); r != nil {
			r.notice++
		}
	}
}

// read returns all rows and the leases they name, in one snapshot.
func (d *database) read(now int) driver.View {
	v := driver.View{Locks: slices.Clone(d.locks), Leases: map[driver.ID]driver.LeaseState{}, Epoch: d.number}
	for i := range v.Locks {
		l := &v.Locks[i]
		if l.Mark != nil {
			m := *l.Mark
			m.Age = instant(now).Sub(m.At)
			l.Mark = &m
		}
		for p := range l.Places() {
			if r := d.lease(p.Lease); r != nil {
				v.Leases[r.id] = driver.LeaseState{
					Lease: driver.Lease{ID: r.id, TTL: ttl}, Beat: r.beat,
					Age: instant(now).Sub(instant(int(r.renewed))),
				}
			}
		}
	}
	return v
}
