package drivertest

import (
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testShared(t *testing.T, h Harness) {
	if h.Lacks.Shared {
		cases{{"Unsupported", unsupported(shared)}}.parallel(t, h)
		return
	}
	cases{
		{"HeldByMany", sharedByMany},
		{"WaitsForAHolder", sharedWaits},
		{"DoesNotOvertakeAWriter", sharedDoesNotOvertake},
		{"ReadersAtTheHeadAreServedTogether", sharedServedTogether},
		{"ALastReaderLetsTheWriterIn", sharedLastLetsIn},
		{"ACancelledWriterLetsReadersIn", sharedCancelledWriter},
		{"ADeadWriterLetsReadersIn", sharedDeadWriter},
		{"ADeadReaderIsTakenOver", sharedDeadReader},
		{"Repeated", sharedRepeated},
		{"RevokeOne", sharedRevoke},
		{"RevokeNotHeld", sharedRevokeNotHeld},
		{"ReadFindsMembers", sharedRead},
	}.parallel(t, h)
}

func sharedByMany(w *world) {
	var hold members
	clients := []*client{w.client(), w.client()}
	for i := range 6 { // one client may share it with itself
		a, grant := clients[i%2].holdAs("a", shared)
		if grant.Fence == 0 || grant.Mark != nil {
			w.Errorf("granted as %+v", grant)
		}
		hold = append(hold, a)
	}
	if row := w.wantMembers("a", hold); row.Limit != 0 || !row.Since.IsZero() || row.Mark != nil {
		w.Errorf("a shared lock shows a holder or a limit: %+v", row)
	}
	w.client().refused("a", driver.Terms{})
	for i := range hold {
		clients[i%2].release(hold[i], driver.Released)
		w.wantMembers("a", hold[i+1:])
	}
	clients[0].hold("a")
}

func sharedWaits(w *world) {
	holder, reader := w.client(), w.client()
	a, fence := holder.hold("a")
	reader.refused("a", shared)
	b := reader.queueAs("a", shared)
	w.wantRow("a", a, b)
	holder.release(a, driver.Released)
	if row := w.wantMembers("a", members{b}); row.Fence <= fence {
		w.Errorf("fence %d after %d", row.Fence, fence)
	}
}

func sharedDoesNotOvertake(w *world) {
	first, writer, late := w.client(), w.client(), w.client()
	a, _ := first.holdAs("a", shared)
	b := writer.queue("a")
	late.refused("a", shared)
	first.refused("a", shared) // not even by one who shares it
	c := late.queueAs("a", shared)
	w.wantMembers("a", members{a}, b, c)
	first.release(a, driver.Released)
	w.wantRow("a", b, c)
	writer.release(b, driver.Released)
	w.wantMembers("a", members{c})
}

func sharedServedTogether(w *world) {
	holder, reader, writer := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b, c := reader.queueAs("a", shared), reader.queueAs("a", shared)
	d := writer.queue("a")
	e := reader.queueAs("a", shared)
	holder.release(a, driver.Released)
	row := w.wantMembers("a", members{b, c}, d, e)
	if row.Members[0].Fence <= fence || row.Fence != row.Members[1].Fence {
		w.Errorf("fences of %+v after %d", row, fence)
	}
}

func sharedLastLetsIn(w *world) {
	reader, writer := w.client(), w.client()
	a, _ := reader.holdAs("a", shared)
	b, grant := reader.holdAs("a", shared)
	c := writer.queue("a")
	reader.release(b, driver.Released)
	w.wantMembers("a", members{a}, c)
	reader.release(a, driver.Released)
	if row := w.wantRow("a", c); row.Fence <= grant.Fence || row.Since.IsZero() {
		w.Errorf("the writer was let in as %+v, after fence %d", row, grant.Fence)
	}
}

func sharedCancelledWriter(w *world) {
	reader, writer := w.client(), w.client()
	a, _ := reader.holdAs("a", shared)
	b := writer.queue("a")
	c, d := reader.queueAs("a", shared), reader.queueAs("a", shared)
	e := writer.queue("a")
	writer.release(b, driver.Cancelled)
	w.wantMembers("a", members{a, c, d}, e)
}

func sharedDeadWriter(w *world) {
	reader, writer, live := w.client(), w.client(), w.client()
	a, _ := reader.holdAs("a", shared)
	writer.queue("a")
	b := live.queueAs("a", shared)
	c := live.queue("a")
	writer.end()
	live.takeOver("a", 0, writer.lease.ID)
	w.wantMembers("a", members{a, b}, c)
}

func sharedDeadReader(w *world) {
	dead, reader, writer := w.client(), w.client(), w.client()
	dead.holdAs("a", shared)
	a, _ := reader.holdAs("a", shared)
	dead.holdAs("a", shared)
	b := writer.queue("a")
	dead.queueAs("a", shared)
	dead.end()
	reader.takeOver("a", 0, dead.lease.ID)
	row := w.wantMembers("a", members{a}, b)
	reader.takeOver("a", 0, dead.lease.ID) // again
	w.wantSame(row)
	reader.end()
	writer.takeOver("a", 0, reader.lease.ID)
	w.wantRow("a", b)
}

func sharedRepeated(w *world) {
	reader, writer := w.client(), w.client()
	a, _ := reader.holdAs("a", shared)
	b := writer.queue("a")
	c := reader.queueAs("a", shared)
	before := w.row("a")
	for _, wait := range []bool{false, true} {
		for _, again := range []driver.Attempt{a, c} {
			if reply := reader.acquire(again, wait); !sameRow(reply.Lock, before) {
				w.Errorf("repeated: %+v, want %+v", reply.Lock, before)
			}
		}
	}
	w.wantSame(before)
	reader.release(a, driver.Released)
	reader.release(a, driver.Absent)
	w.wantRow("a", b, c)
}

func sharedRevoke(w *world) {
	first, second, writer := w.client(), w.client(), w.client()
	a, grant := first.holdAs("a", shared)
	b, other := second.holdAs("a", shared)
	c := writer.queue("a")
	before, calm := first.renew(), second.renew()
	writer.revoke("a", grant.Fence, driver.Mark{By: "op", Reason: "stuck"})
	writer.revoke("a", grant.Fence, driver.Mark{By: "op", Reason: "again"})
	row := w.wantMembers("a", members{a, b}, c)
	if m := row.Members[0].Mark; m == nil || m.By != "op" || m.Reason != "stuck" || m.At.IsZero() || m.Age < 0 || m.Age > patience {
		w.Errorf("mark %+v", m)
	}
	if row.Members[1].Mark != nil || row.Mark != nil {
		w.Errorf("a mark of another grant: %+v", row)
	}
	if now := first.renew(); now.Notice <= before.Notice {
		w.Errorf("notice %d after %d", now.Notice, before.Notice)
	}
	if now := second.renew(); now != calm {
		w.Errorf("the notice of another lease rose: %+v after %+v", now, calm)
	}
	writer.takeOver("a", other.Fence) // not revoked
	w.wantSame(row)
	writer.takeOver("a", grant.Fence)
	w.wantMembers("a", members{b}, c)
	first.release(a, driver.Absent)
	second.release(b, driver.Released)
	w.wantRow("a", c)
}

func sharedRevokeNotHeld(w *world) {
	c := w.client()
	a, grant := c.holdAs("a", shared)
	_, last := c.holdAs("a", shared)
	c.release(a, driver.Released)
	before := w.row("a")
	for _, fence := range []uint64{grant.Fence, last.Fence + 1, 0} {
		if err := c.conn.Revoke(w.ctx(), "a", fence, driver.Mark{By: "op"}); !errors.Is(err, driver.ErrNotHeld) {
			w.Errorf("Revoke of fence %d: %v, want ErrNotHeld", fence, err)
		}
	}
	w.wantSame(before)
}

// sharedRead: a Read by lease finds the rows that it shares, and a Read by name shows the
// leases of all who do.
func sharedRead(w *world) {
	reader, other := w.client(), w.client()
	reader.holdAs("a", shared)
	other.holdAs("a", shared)
	other.holdAs("b", shared)
	view := w.read(driver.Query{Lease: reader.lease.ID})
	if len(view.Locks) != 1 || view.Locks[0].Name != "a" {
		w.Errorf("the rows of a reader: %+v", view.Locks)
	}
	for _, c := range []*client{reader, other} {
		if s, ok := w.state("a", c); !ok || s.TTL != c.lease.TTL {
			w.Errorf("the lease of a reader: %+v, shown %v", s, ok)
		}
	}
}
