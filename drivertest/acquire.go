package drivertest

import (
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testAcquire(t *testing.T, h Harness) {
	cases{
		{"GrantsAFreeLock", acquireFree},
		{"QueuesInOrder", acquireQueues},
		{"WithoutWaitLeavesNothing", acquireTry},
		{"RepeatedByTheHolder", acquireRepeatedByHolder},
		{"RepeatedByAWaiter", acquireRepeatedByWaiter},
		{"SameLeaseTwice", acquireSameLeaseTwice},
		{"LeaseGone", acquireLeaseGone},
		{"JudgesNoOtherLease", acquireJudgesNobody},
	}.parallel(t, h)
}

func acquireFree(w *world) {
	c := w.client()
	a := c.attempt("a")
	reply := c.acquire(a, false)
	lock := reply.Lock
	if !lock.HeldBy(a.Place()) || lock.Fence == 0 || lock.Mark != nil || len(lock.Queue) != 0 {
		w.Errorf("a free lock was granted as %+v", lock)
	}
	if lock.Since.IsZero() || lock.Age < 0 || lock.Age > patience {
		w.Errorf("granted since %v, age %v", lock.Since, lock.Age)
	}
	w.wantSame(lock)
	b := c.attempt("b")
	if reply := c.acquire(b, true); !reply.Lock.HeldBy(b.Place()) {
		w.Error("another name, free, was not granted")
	}
	w.wantRow("a", a)
}

func acquireQueues(w *world) {
	holder := w.client()
	held, fence := holder.hold("a")
	clients := []*client{w.client(), w.client(), w.client()}
	var queue []driver.Attempt
	for i := range 30 {
		c := clients[i%len(clients)]
		a := c.attempt("a")
		reply := c.acquire(a, true)
		if got := reply.Lock.Ahead(a.Place()); got != i {
			w.Fatalf("waiter %d has %d ahead", i, got)
		}
		queue = append(queue, a)
		if i%10 == 0 {
			w.wantSame(reply.Lock)
		}
	}
	if row := w.wantRow("a", held, queue...); row.Fence != fence {
		w.Errorf("queueing changed the fence from %d to %d", fence, row.Fence)
	}
}

func acquireTry(w *world) {
	holder, waiter, c := w.client(), w.client(), w.client()
	holder.hold("a")
	waiter.queue("a")
	before := w.row("a")
	reply := c.acquire(c.attempt("a"), false)
	if !sameRow(reply.Lock, before) {
		w.Errorf("the reply is %+v, the row %+v", reply.Lock, before)
	}
	w.wantSame(before)
}

func acquireRepeatedByHolder(w *world) {
	holder, waiter := w.client(), w.client()
	a, fence := holder.hold("a")
	b := waiter.queue("a")
	for _, wait := range []bool{false, true} {
		reply := holder.acquire(a, wait)
		if !reply.Lock.HeldBy(a.Place()) || reply.Lock.Fence != fence {
			w.Errorf("repeated with wait %v: %+v, want fence %d", wait, reply.Lock, fence)
		}
		w.wantRow("a", a, b)
	}
	holder.release(a, driver.Released)
	w.wantRow("a", b)
}

func acquireRepeatedByWaiter(w *world) {
	holder, first, second := w.client(), w.client(), w.client()
	a, _ := holder.hold("a")
	b, c := first.queue("a"), second.queue("a")
	before := w.row("a")
	for _, wait := range []bool{false, true} {
		if reply := first.acquire(b, wait); !sameRow(reply.Lock, before) {
			w.Errorf("repeated with wait %v: %+v, want %+v", wait, reply.Lock, before)
		}
		w.wantRow("a", a, b, c)
	}
}

func acquireSameLeaseTwice(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	second := c.queue("a")
	third := c.queue("a")
	w.wantRow("a", a, second, third)
	c.release(a, driver.Released)
	w.wantRow("a", second, third)
}

func acquireLeaseGone(w *world) {
	c, other := w.client(), w.client()
	for _, wait := range []bool{false, true} {
		stranger := driver.Attempt{Name: "never", Lease: driver.NewID(), Ticket: driver.NewID()}
		if _, err := c.conn.Acquire(w.ctx(), stranger, wait); !errors.Is(err, driver.ErrLeaseGone) {
			w.Errorf("Acquire with a lease that never was: %v, want ErrLeaseGone", err)
		}
	}
	if view := w.read(driver.Query{Names: []string{"never"}}); len(view.Locks) > 0 && view.Locks[0].Held() {
		w.Error("a lease that never was holds a lock")
	}
	held, _ := other.hold("a")
	queued := other.queue("a")
	c.end()
	for _, wait := range []bool{false, true} {
		if _, err := c.conn.Acquire(w.ctx(), c.attempt("a"), wait); !errors.Is(err, driver.ErrLeaseGone) {
			w.Errorf("Acquire with an ended lease: %v, want ErrLeaseGone", err)
		}
	}
	w.wantRow("a", held, queued)
}

// acquireJudgesNobody: a dead holder is found out by a Read and removed by
// TakeOver; Acquire never judges in its own snapshot.
func acquireJudgesNobody(w *world) {
	holder, c := w.client(), w.client()
	a, fence := holder.hold("a")
	holder.end()
	if reply := c.acquire(c.attempt("a"), false); reply.Lock.Holder != a.Place() {
		w.Errorf("a try took over by itself: %+v", reply.Lock)
	}
	b := c.queue("a")
	if row := w.wantRow("a", a, b); row.Fence != fence {
		w.Errorf("fence %d, want %d", row.Fence, fence)
	}
}
