package drivertest

import (
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testPermits(t *testing.T, h Harness) {
	if h.Lacks.Permits {
		cases{{"Unsupported", unsupported(permits(2))}}.parallel(t, h)
		return
	}
	cases{
		{"UpToTheLimit", permitsUpToTheLimit},
		{"OneAtATime", permitsOne},
		{"EachReleaseServesOne", permitsServeOne},
		{"ACancelKeepsTheOrder", permitsCancel},
		{"ADeadHolderIsTakenOver", permitsTakeOver},
		{"RevokeOne", permitsRevoke},
		{"AnotherLimitDisagrees", permitsDisagree},
		{"ALockDisagrees", permitsOfALock},
		{"AFreeNameForgetsTheLimit", permitsForgotten},
	}.parallel(t, h)
}

func permitsUpToTheLimit(w *world) {
	const limit = 20
	clients := []*client{w.client(), w.client(), w.client()}
	var hold members
	for i := range limit {
		a, _ := clients[i%3].holdAs("a", permits(limit))
		hold = append(hold, a)
	}
	if row := w.wantMembers("a", hold); row.Limit != limit {
		w.Errorf("limit %d, want %d", row.Limit, limit)
	}
	clients[0].refused("a", permits(limit))
	b := clients[1].queueAs("a", permits(limit))
	w.wantMembers("a", hold, b)
	clients[0].acquire(hold[0], true) // repeated
	w.wantMembers("a", hold, b)
}

func permitsOne(w *world) {
	c := w.client()
	a, grant := c.holdAs("a", permits(1))
	b := c.queueAs("a", permits(1))
	c.release(a, driver.Released)
	if row := w.wantMembers("a", members{b}); row.Fence <= grant.Fence {
		w.Errorf("fence %d after %d", row.Fence, grant.Fence)
	}
}

func permitsServeOne(w *world) {
	c := w.client()
	a, _ := c.holdAs("a", permits(2))
	b, _ := c.holdAs("a", permits(2))
	d, e, f := c.queueAs("a", permits(2)), c.queueAs("a", permits(2)), c.queueAs("a", permits(2))
	c.release(b, driver.Released)
	w.wantMembers("a", members{a, d}, e, f)
	c.release(a, driver.Released)
	w.wantMembers("a", members{d, e}, f)
	c.release(d, driver.Released)
	c.release(f, driver.Released)
	w.wantMembers("a", members{e})
}

func permitsCancel(w *world) {
	c := w.client()
	a, _ := c.holdAs("a", permits(1))
	b, d, e := c.queueAs("a", permits(1)), c.queueAs("a", permits(1)), c.queueAs("a", permits(1))
	c.release(d, driver.Cancelled)
	w.wantMembers("a", members{a}, b, e)
	c.release(b, driver.Cancelled)
	w.wantMembers("a", members{a}, e)
}

func permitsTakeOver(w *world) {
	dead, live := w.client(), w.client()
	dead.holdAs("a", permits(3))
	a, _ := live.holdAs("a", permits(3))
	dead.holdAs("a", permits(3))
	dead.queueAs("a", permits(3))
	b, c, d := live.queueAs("a", permits(3)), live.queueAs("a", permits(3)), live.queueAs("a", permits(3))
	dead.end()
	live.takeOver("a", 0, dead.lease.ID)
	w.wantMembers("a", members{a, b, c}, d)
}

func permitsRevoke(w *world) {
	c := w.client()
	_, grant := c.holdAs("a", permits(2))
	b, _ := c.holdAs("a", permits(2))
	d := c.queueAs("a", permits(2))
	c.revoke("a", grant.Fence, driver.Mark{By: "op"})
	c.takeOver("a", grant.Fence)
	if row := w.wantMembers("a", members{b, d}); row.Members[1].Mark != nil {
		w.Errorf("the next holder inherited the mark: %+v", row)
	}
}

func permitsDisagree(w *world) {
	c := w.client()
	a, _ := c.holdAs("a", permits(2))
	for _, limit := range []int{1, 3, driver.MaxLimit} {
		c.disagrees("a", permits(limit), 2)
	}
	c.disagrees("a", driver.Terms{}, 2)
	if !w.h.Lacks.Shared {
		c.disagrees("a", shared, 2)
	}
	c.release(a, driver.Released)
	if row := w.row("a"); row.Limit != 0 {
		w.Errorf("a name that nobody uses has the limit %d", row.Limit)
	}
}

func permitsOfALock(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	c.disagrees("a", permits(2), 0)
	c.queue("a")
	c.release(a, driver.Released)
	c.disagrees("a", permits(2), 0)
	if !w.h.Lacks.Shared {
		c.holdAs("b", shared)
		c.disagrees("b", permits(1), 0)
	}
}

func permitsForgotten(w *world) {
	c := w.client()
	for _, limit := range []int{2, 5, 1} {
		a, _ := c.holdAs("a", permits(limit))
		if row := w.wantMembers("a", members{a}); row.Limit != limit {
			w.Errorf("limit %d, want %d", row.Limit, limit)
		}
		c.release(a, driver.Released)
		b, _ := c.hold("a")
		w.wantRow("a", b)
		c.release(b, driver.Released)
	}
	last, grant := c.holdAs("a", permits(driver.MaxLimit))
	c.end()
	other := w.client()
	other.takeOver("a", 0, c.lease.ID)
	other.release(last, driver.Absent)
	if _, fence := other.hold("a"); fence <= grant.Fence {
		w.Errorf("fence %d after %d", fence, grant.Fence)
	}
}
