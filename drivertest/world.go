package drivertest

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// patience bounds every wait of the suite for something that must happen.
const patience = 10 * time.Second

// world is one store and what a test needs to act on it. Its methods end the
// test where a call fails that must succeed, so they belong to the test's own
// goroutine.
type world struct {
	*testing.T
	h      Harness
	store  driver.Store
	reader driver.Conn // looks from outside: no lease of its own
}

func newWorld(t *testing.T, h Harness) *world {
	w := &world{T: t, h: h, store: h.Open(t)}
	w.reader = w.connect()
	return w
}

// ctx returns a context for one call.
func (w *world) ctx() context.Context {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	w.Cleanup(cancel)
	return ctx
}

func (w *world) connect() driver.Conn {
	w.Helper()
	conn, err := w.store.Connect(w.ctx(), driver.Settings{TTL: w.h.TTL})
	if err != nil {
		w.Fatalf("Connect: %v", err)
	}
	w.Cleanup(func() { _ = conn.Close() }) // a test may have closed it already
	return conn
}

// client is one client of the store: a Conn and one lease.
type client struct {
	*world
	conn  driver.Conn
	lease driver.Lease
}

// client connects a client and makes its lease.
func (w *world) client() *client {
	w.Helper()
	return w.clientOn(w.connect(), w.h.TTL)
}

func (w *world) clientOn(conn driver.Conn, ttl time.Duration) *client {
	w.Helper()
	c := &client{world: w, conn: conn, lease: driver.Lease{
		ID:    driver.NewID(),
		TTL:   ttl,
		Owner: "owner",
		Info:  driver.Info{Host: "host", PID: 7, App: "app"},
	}}
	if _, err := conn.CreateLease(w.ctx(), c.lease); err != nil {
		w.Fatalf("CreateLease: %v", err)
	}
	return c
}

func (c *client) attempt(name string) driver.Attempt {
	return driver.Attempt{Name: name, Lease: c.lease.ID, Ticket: driver.NewID()}
}

func (c *client) acquire(a driver.Attempt, wait bool) driver.Reply {
	c.Helper()
	reply, err := acquire(c.ctx(), c.conn, a, wait)
	if err != nil {
		c.Fatalf("Acquire(%q, wait %v): %v", a.Name, wait, err)
	}
	if reply.Lock.Name != a.Name {
		c.Fatalf("Acquire(%q) replied with the row of %q", a.Name, reply.Lock.Name)
	}
	return reply
}

// hold makes a new attempt that must be granted at once, and returns it with
// its fence.
func (c *client) hold(name string) (driver.Attempt, uint64) {
	c.Helper()
	a := c.attempt(name)
	reply := c.acquire(a, false)
	if !reply.Lock.HeldBy(a.Place()) {
		c.Fatalf("Acquire(%q) of a free lock did not grant it: %+v", name, reply.Lock)
	}
	return a, reply.Lock.Fence
}

// queue makes a new attempt that must wait.
func (c *client) queue(name string) driver.Attempt {
	c.Helper()
	a := c.attempt(name)
	reply := c.acquire(a, true)
	if reply.Lock.Ahead(a.Place()) < 0 {
		c.Fatalf("Acquire(%q, wait) of a held lock did not queue: %+v", name, reply.Lock)
	}
	return a
}

func (c *client) release(a driver.Attempt, want driver.Outcome) {
	c.Helper()
	got, err := release(c.ctx(), c.conn, a)
	if err != nil {
		c.Fatalf("Release(%q): %v", a.Name, err)
	}
	if got != want {
		c.Fatalf("Release(%q): outcome %s, want %s", a.Name, outcome(got), outcome(want))
	}
}

func (c *client) renew() driver.Renewal {
	c.Helper()
	renewal, err := c.conn.RenewLease(c.ctx(), c.lease.ID)
	if err != nil {
		c.Fatalf("RenewLease: %v", err)
	}
	return renewal
}

// end deletes the client's lease, as a client that leaves, or one that has
// been found dead.
func (c *client) end() {
	c.Helper()
	c.endLease(c.lease.ID, driver.Grounds{Own: true}, true)
}

func (c *client) endLease(id driver.ID, grounds driver.Grounds, want bool) {
	c.Helper()
	gone, err := c.conn.EndLease(c.ctx(), id, grounds)
	if err != nil {
		c.Fatalf("EndLease(%+v): %v", grounds, err)
	}
	if gone != want {
		c.Fatalf("EndLease(%+v): gone %v, want %v", grounds, gone, want)
	}
}

func (c *client) takeOver(name string, ended uint64, gone ...driver.ID) {
	c.Helper()
	if err := c.conn.TakeOver(c.ctx(), name, gone, ended); err != nil {
		c.Fatalf("TakeOver(%q, %v, %d): %v", name, gone, ended, err)
	}
}

func (c *client) revoke(name string, fence uint64, mark driver.Mark) {
	c.Helper()
	if err := c.conn.Revoke(c.ctx(), name, fence, mark); err != nil {
		c.Fatalf("Revoke(%q, %d): %v", name, fence, err)
	}
}

func (w *world) read(query driver.Query) driver.View {
	w.Helper()
	view, err := w.reader.Read(w.ctx(), query)
	if err != nil {
		w.Fatalf("Read(%+v): %v", query, err)
	}
	return view
}

// row reads the row of name, which must exist.
func (w *world) row(name string) driver.Lock {
	w.Helper()
	view := w.read(driver.Query{Names: []string{name}})
	if len(view.Locks) != 1 || view.Locks[0].Name != name {
		w.Fatalf("Read of %q returned %+v", name, view.Locks)
	}
	return view.Locks[0]
}

// state reads the lease of c, which must hold or await name, and reports
// whether it has a row.
func (w *world) state(name string, c *client) (driver.LeaseState, bool) {
	w.Helper()
	view := w.read(driver.Query{Names: []string{name}})
	state, ok := view.Leases[c.lease.ID]
	if ok && state.ID != c.lease.ID {
		w.Fatalf("Read: the lease under the key %v says it is %v", c.lease.ID, state.ID)
	}
	return state, ok
}

// wantRow checks who holds name alone and who waits. A zero holder means free.
func (w *world) wantRow(name string, holder driver.Attempt, queue ...driver.Attempt) driver.Lock {
	w.Helper()
	row := w.row(name)
	if row.Holder != holder.Place() || len(row.Members) > 0 {
		w.Fatalf("holder of %q: %v, want %v, with %v", name, row.Holder, holder.Place(), row.Members)
	}
	if !slices.Equal(row.Queue, waiters(queue)) {
		w.Fatalf("queue of %q: %v, want %v", name, row.Queue, waiters(queue))
	}
	return row
}

// wantSame checks that nothing in the row of before has changed since.
func (w *world) wantSame(before driver.Lock) {
	w.Helper()
	if after := w.row(before.Name); !sameRow(before, after) {
		w.Fatalf("the row of %q changed:\nbefore %+v\nafter  %+v", before.Name, before, after)
	}
}

// wantNone checks that name has no row.
func (w *world) wantNone(name string) {
	w.Helper()
	if view := w.read(driver.Query{Names: []string{name}}); len(view.Locks) != 0 {
		w.Fatalf("a row of %q was made: %+v", name, view.Locks[0])
	}
}

// nobody is the holder of a free lock.
var nobody driver.Attempt

func waiters(attempts []driver.Attempt) []driver.Waiter {
	var ws []driver.Waiter
	for _, a := range attempts {
		ws = append(ws, driver.Waiter{Place: a.Place(), Terms: a.Terms})
	}
	return ws
}

// sameRow compares what is stored; ages differ from read to read.
func sameRow(a, b driver.Lock) bool {
	return a.Name == b.Name && a.Fence == b.Fence && a.Holder == b.Holder && a.Limit == b.Limit &&
		slices.EqualFunc(slices.Collect(a.Grants()), slices.Collect(b.Grants()), sameGrant) &&
		slices.Equal(a.Queue, b.Queue) && sameTime(a.KeptUntil, b.KeptUntil) &&
		bytes.Equal(a.Data, b.Data) && a.KeepData == b.KeepData
}

func sameGrant(a, b driver.Grant) bool {
	return a.Place == b.Place && a.Fence == b.Fence && sameTime(a.Since, b.Since) && sameMark(a.Mark, b.Mark) &&
		(a.Mark == nil || sameTime(a.Mark.At, b.Mark.At))
}

// sameTime allows for what a store's precision cuts off.
func sameTime(a, b time.Time) bool { return a.Sub(b).Abs() < time.Millisecond }

// sameMark compares what the operator said.
func sameMark(a, b *driver.Mark) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.By == b.By && a.Reason == b.Reason
}

func outcome(o driver.Outcome) string {
	names := []string{"Absent", "Released", "Cancelled", "Busy"}
	if o < 0 || int(o) >= len(names) {
		return "of no name"
	}
	return names[o]
}

// await polls until done reports true, and ends the test if it does not.
func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > patience {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}
