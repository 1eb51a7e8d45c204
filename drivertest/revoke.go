package drivertest

import (
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testRevoke(t *testing.T, h Harness) {
	cases{
		{"MarksTheGrant", revokeMarks},
		{"RaisesTheNotice", revokeRaisesNotice},
		{"FirstMarkStays", revokeTwice},
		{"NotHeld", revokeNotHeld},
		{"TheMarkEndsWithTheGrant", revokeEndsWithTheGrant},
		{"HolderWithoutALease", revokeDeadHolder},
	}.parallel(t, h)
}

func revokeMarks(w *world) {
	holder, waiter, operator := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	operator.revoke("a", fence, driver.Mark{By: "Zoë's shell", Reason: "stuck \"job\" \\ 🔧"})
	row := w.wantRow("a", a, b)
	if row.Fence != fence {
		w.Errorf("a mark changed the fence from %d to %d", fence, row.Fence)
	}
	if row.Mark == nil || row.Mark.By != "Zoë's shell" || row.Mark.Reason != "stuck \"job\" \\ 🔧" {
		w.Fatalf("mark %+v", row.Mark)
	}
	if row.Mark.At.IsZero() || row.Mark.Age < 0 || row.Mark.Age > patience {
		w.Errorf("marked at %v, %v ago", row.Mark.At, row.Mark.Age)
	}
	if reply := holder.acquire(a, false); !sameRow(reply.Lock, row) {
		w.Errorf("the holder's repeated Acquire shows %+v, want %+v", reply.Lock, row)
	}
	c := operator.queue("a") // queueing goes on
	w.wantRow("a", a, b, c)
}

func revokeRaisesNotice(w *world) {
	holder, bystander, operator := w.client(), w.client(), w.client()
	_, fence := holder.hold("a")
	_, second := holder.hold("b")
	bystander.queue("a")
	before, calm := holder.renew(), bystander.renew()
	if again := holder.renew(); again != before {
		w.Errorf("two renewals with nothing between replied %+v and %+v", before, again)
	}
	operator.revoke("a", fence, driver.Mark{By: "op"})
	after := holder.renew()
	if after.Notice <= before.Notice || after.Epoch != before.Epoch {
		w.Errorf("renewal %+v after a revocation, %+v before", after, before)
	}
	operator.revoke("b", second, driver.Mark{By: "op"})
	if last := holder.renew(); last.Notice <= after.Notice {
		w.Errorf("notice %d after a second revocation, %d before", last.Notice, after.Notice)
	}
	if now := bystander.renew(); now != calm {
		w.Errorf("the notice of another lease rose: %+v after %+v", now, calm)
	}
}

func revokeTwice(w *world) {
	holder, operator := w.client(), w.client()
	_, fence := holder.hold("a")
	operator.revoke("a", fence, driver.Mark{By: "first", Reason: "one"})
	before := w.row("a")
	w.client().revoke("a", fence, driver.Mark{By: "second", Reason: "two"})
	w.wantSame(before)
	if before.Mark == nil || before.Mark.By != "first" {
		w.Errorf("mark %+v, want the first", before.Mark)
	}
}

func revokeNotHeld(w *world) {
	holder, waiter, operator := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	waiter.queue("a")
	freed, last := holder.hold("freed")
	holder.release(freed, driver.Released)
	before, free, notice := w.row("a"), w.row("freed"), holder.renew()
	for _, c := range []struct {
		name  string
		fence uint64
	}{
		{"a", fence + 1}, {"a", fence - 1}, {"a", 0}, {"freed", last}, {"freed", 0}, {"never", 0}, {"never", 1},
	} {
		err := operator.conn.Revoke(w.ctx(), c.name, c.fence, driver.Mark{By: "op"})
		if !errors.Is(err, driver.ErrNotHeld) {
			w.Errorf("Revoke(%q, %d): %v, want ErrNotHeld", c.name, c.fence, err)
		}
	}
	w.wantSame(before)
	w.wantSame(free)
	w.wantNone("never")
	if now := holder.renew(); now != notice {
		w.Errorf("a revocation that failed raised the notice: %+v after %+v", now, notice)
	}
	holder.release(a, driver.Released)
	err := operator.conn.Revoke(w.ctx(), "a", fence, driver.Mark{By: "op"}) // the waiter's now
	if !errors.Is(err, driver.ErrNotHeld) {
		w.Errorf("Revoke of the grant before: %v, want ErrNotHeld", err)
	}
}

func revokeEndsWithTheGrant(w *world) {
	holder, waiter, operator := w.client(), w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	operator.revoke("a", fence, driver.Mark{By: "op"})
	holder.release(a, driver.Released)
	if row := w.wantRow("a", b); row.Mark != nil {
		w.Errorf("the next holder inherited the mark %+v", row.Mark)
	}
	waiter.release(b, driver.Released)
	_, fence = operator.hold("a")
	operator.revoke("a", fence, driver.Mark{By: "op"})
	operator.takeOver("a", fence)
	if row := w.wantRow("a", nobody); row.Mark != nil {
		w.Errorf("a free lock bears the mark %+v", row.Mark)
	}
}

func revokeDeadHolder(w *world) {
	holder, operator := w.client(), w.client()
	a, fence := holder.hold("a")
	holder.end()
	operator.revoke("a", fence, driver.Mark{By: "op"})
	if row := w.wantRow("a", a); row.Mark == nil {
		w.Error("no mark")
	}
	if _, ok := w.state("a", holder); ok {
		w.Error("revoking brought the lease back")
	}
}
