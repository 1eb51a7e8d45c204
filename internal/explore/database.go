package explore

import (
	"fmt"
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
	grants := granted(before, after)
	if len(grants) > 0 {
		w.record()
		if !w.db.granting {
			return false
		}
	}
	w.db.locks[name] = after
	for _, g := range grants {
		w.judgeGrant(name, before, after, g)
		w.hint(name, g)
	}
	return true
}

// granted returns the grants that a transition has made.
func granted(before, after driver.Lock) (grants []driver.Grant) {
	for g := range after.Grants() {
		if old, ok := before.GrantOf(g.Place); !ok || old.Fence != g.Fence {
			grants = append(grants, g)
		}
	}
	return grants
}

// acquire reports false if nothing is granted now.
func (w *world) acquire(a *attempt, wait bool) bool {
	l := w.db.locks[a.name]
	attempt := driver.Attempt{Lease: a.lease, Ticket: a.ticket, Terms: a.terms}
	changed, err := machine.Acquire(&l, attempt, wait, w.clock())
	if err != nil {
		w.broken = fmt.Sprintf("an attempt is refused: %v", err)
	}
	if w.record(); !w.db.granting && changed {
		return false
	}
	return w.change(int(a.name), func(l *driver.Lock) { _, _ = machine.Acquire(l, attempt, wait, w.clock()) })
}

func (w *world) release(name int, p driver.Place) bool {
	return w.change(name, func(l *driver.Lock) { machine.Release(l, p, w.clock()) })
}

func (w *world) takeOver(name int, gone []driver.ID, over uint64) {
	w.change(name, func(l *driver.Lock) { machine.TakeOver(l, gone, over, w.clock()) })
}

// revocable returns the first grant of the name that was not revoked.
func (w *world) revocable(name int) (driver.Grant, bool) {
	for g := range w.db.locks[name].Grants() {
		if g.Mark == nil {
			return g, true
		}
	}
	return driver.Grant{}, false
}

func (w *world) revoke(name int) {
	g, _ := w.revocable(name)
	mark := driver.Mark{By: "operator", At: instant(w.now)}
	if _, changed := machine.Revoke(&w.db.locks[name], g.Fence, mark, w.clock()); changed {
		if r := w.db.lease(g.Lease); r != nil {
			r.notice++
		}
	}
}

// read returns all rows and the leases they name, in one snapshot.
func (d *database) read(now int) driver.View {
	v := driver.View{Locks: slices.Clone(d.locks), Leases: map[driver.ID]driver.LeaseState{}, Epoch: d.number}
	for i := range v.Locks {
		l := &v.Locks[i]
		l.Mark = aged(l.Mark, now)
		l.Members = slices.Clone(l.Members)
		for i := range l.Members {
			l.Members[i].Mark = aged(l.Members[i].Mark, now)
		}
		if !l.Held() && !l.KeptUntil.IsZero() {
			l.Kept = max(l.KeptUntil.Sub(instant(now)), 0)
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

func aged(m *driver.Mark, now int) *driver.Mark {
	if m == nil {
		return nil
	}
	c := *m
	c.Age = instant(now).Sub(m.At)
	return &c
}
