package drivertest

import (
	"context"
	"sync"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testListen(t *testing.T, h Harness) {
	cases{
		{"WakesWhenItStarts", func(w *world) { w.listen(w.client()) }},
		{"EndsWithItsContext", listenEnds},
		{"WakesTheNextHolder", listenHandOver},
		{"WakesAfterTakeOver", listenTakeOver},
		{"WakesAllWhoShare", listenShared},
		{"WakesARevokedHolder", listenRevoke},
		{"Hazard19_WakesOneWaiter", listenWakesOne},
	}.parallel(t, h)
}

// ear listens for one client and remembers what it heard.
type ear struct {
	t      *testing.T
	stop   context.CancelFunc
	done   chan error
	mu     sync.Mutex // guards the fields below
	heard  map[string]int
	grants []driver.Hint // hints that carried one
}

// listen starts an ear for c, and returns when it listens.
func (w *world) listen(c *client) *ear {
	w.Helper()
	ctx, stop := context.WithCancel(w.Context())
	e := &ear{t: w.T, stop: stop, done: make(chan error, 1), heard: map[string]int{}}
	listener := c.conn.(driver.Listener)
	go func() { e.done <- listener.Listen(ctx, c.lease.ID, e.wake) }()
	w.Cleanup(stop)
	e.await("")
	return e
}

func (e *ear) wake(hint driver.Hint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.heard[hint.Name]++
	if hint.Fence != 0 {
		e.grants = append(e.grants, hint)
	}
}

// wantGrants fails the test if a grant was told of that was not made: the lock of
// that name must be held by the ticket, under the fence, or another one since.
func (e *ear) wantGrants(row driver.Lock) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, g := range e.grants {
		now, held := row.GrantUnder(g.Fence)
		if g.Name != row.Name || g.Fence > row.Fence || held && g.Ticket != now.Ticket {
			e.t.Errorf("told of the grant %+v, the row is %+v", g, row)
		}
	}
}

func (e *ear) times(name string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.heard[name]
}

// await waits until the ear was told of name, or that anything may have changed
// since it was first.
func (e *ear) await(name string) {
	e.t.Helper()
	await(e.t, "wake with "+name, func() bool { return e.times(name) > 0 || e.times("") > 1 })
}

func listenEnds(w *world) {
	holder, waiter := w.client(), w.client()
	e := w.listen(waiter)
	e.stop()
	ctx := w.ctx()
	select {
	case <-e.done:
	case <-ctx.Done():
		w.Fatal("Listen did not return when its context ended")
	}
	before := e.times("")
	a, _ := holder.hold("a")
	b := waiter.queue("a")
	holder.release(a, driver.Released)
	w.wantRow("a", b)
	if e.times("") != before || e.times("a") != 0 {
		w.Error("wake was called after Listen had returned")
	}
}

func listenHandOver(w *world) {
	holder, waiter := w.client(), w.client()
	e := w.listen(waiter)
	a, _ := holder.hold("näme 'a'")
	waiter.queue("näme 'a'")
	holder.release(a, driver.Released)
	e.await("näme 'a'")
	e.wantGrants(w.row("näme 'a'"))
}

// listenShared: of those granted at once everybody is woken, and a revoked member is.
func listenShared(w *world) {
	if w.h.Lacks.Shared {
		return
	}
	holder, first, second, writer := w.client(), w.client(), w.client(), w.client()
	a, _ := holder.hold("a")
	b := first.queueAs("a", shared)
	second.queueAs("a", shared)
	writer.queue("a")
	one, two, last := w.listen(first), w.listen(second), w.listen(writer)
	holder.release(a, driver.Released)
	one.await("a")
	two.await("a")
	row := w.row("a")
	grant, _ := row.GrantOf(b.Place())
	before := one.times("a")
	writer.revoke("a", grant.Fence, driver.Mark{By: "op"})
	await(w.T, "the revoked member is woken", func() bool { return one.times("a") > before || one.times("") > 1 })
	if last.times("a") > 0 {
		w.Error("who waits still was woken too")
	}
}

func listenTakeOver(w *world) {
	holder, waiter, observer := w.client(), w.client(), w.client()
	e := w.listen(waiter)
	holder.hold("a")
	b := waiter.queue("a")
	holder.end()
	observer.takeOver("a", 0, holder.lease.ID)
	e.await("a")
	w.wantRow("a", b)
}

func listenRevoke(w *world) {
	holder, operator := w.client(), w.client()
	e := w.listen(holder)
	_, fence := holder.hold("a")
	operator.revoke("a", fence, driver.Mark{By: "op"})
	e.await("a")
}

// listenWakesOne: a release tells the next holder and none of those behind it.
// A store may be late, so what is judged is what was heard when the last of
// them has been told.
func listenWakesOne(w *world) {
	holder := w.client()
	a, _ := holder.hold("a")
	var ears []*ear
	var waiters []*client
	var attempts []driver.Attempt
	for range 4 {
		c := w.client()
		waiters, ears = append(waiters, c), append(ears, w.listen(c))
		attempts = append(attempts, c.queue("a"))
	}
	holder.release(a, driver.Released)
	for i, e := range ears {
		e.await("a")
		for j, later := range ears[i+1:] {
			if n := later.times("a"); n > 0 {
				w.Errorf("waiter %d was woken %d times before its turn", i+1+j, n)
			}
		}
		waiters[i].release(attempts[i], driver.Released)
	}
}
