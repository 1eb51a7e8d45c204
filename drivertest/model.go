package drivertest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// testModel is level 2: the store equals internal/machine over random sequences
// of calls, one at a time, stale and repeated ones among them. A slow store takes fewer steps.
func testModel(t *testing.T, h Harness) {
	const walks, steps, budget = 4, 800, 4 * time.Second
	for i := range walks {
		t.Run(fmt.Sprint("Walk", i), func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			m := newModel(newWorld(t, h), seed)
			taken := 0
			for start := time.Now(); taken < steps && time.Since(start) < budget; taken++ {
				m.step()
			}
			m.drain()
			t.Logf("%d steps", taken)
		})
	}
}

// model is what the store should hold.
type model struct {
	*world
	rand     *rand.Rand
	names    []string
	conns    []driver.Conn
	clients  []*modelClient   // those whose lease lives
	ended    []driver.ID      // leases that have ended
	attempts []driver.Attempt // every attempt there ever was, the latest last
	locks    map[string]*driver.Lock
	before   map[string]driver.Lock // the rows after the call before
	leaving  []driver.Place         // whom the call in progress may remove
	marks    int
	log      []string
}

// modelClient is a client and what the model knows of its lease.
type modelClient struct {
	*client
	beat    uint64 // of the last Read that showed the lease; 0: none did
	stale   bool   // renewed since
	last    driver.Renewal
	revoked bool // a grant of this lease was marked since last
}

func newModel(w *world, seed uint64) *model {
	m := &model{
		world: w,
		rand:  rand.New(rand.NewPCG(seed, 0)),
		names: []string{"a", "b", "c"},
		conns: []driver.Conn{w.connect(), w.connect(), w.connect()},
		locks: map[string]*driver.Lock{},

		before: map[string]driver.Lock{},
	}
	for range 4 {
		m.join()
	}
	return m
}

// step makes one random call and compares.
func (m *model) step() {
	m.Helper()
	m.noteBeats()
	name := pick(m.rand, m.names)
	switch n := m.rand.IntN(100); {
	case n < 35:
		m.acquire(name)
	case n < 43:
		m.acquireAgain()
	case n < 68:
		m.release(m.anAttempt())
	case n < 73:
		m.release(m.forged())
	case n < 80:
		m.takeOver(name)
	case n < 88:
		m.revoke(name)
	case n < 91:
		m.renew(pick(m.rand, m.clients))
	case n < 94:
		m.setData(m.anAttempt())
	case n < 97:
		m.endLease()
	default:
		m.join()
	}
	m.compare()
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// note keeps the last calls, to be shown when a comparison fails.
func (m *model) note(format string, args ...any) {
	m.log = append(m.log, fmt.Sprintf(format, args...))
	m.log = m.log[max(0, len(m.log)-12):]
}

func (m *model) failf(format string, args ...any) {
	m.Helper()
	for _, line := range m.log {
		m.Log(line)
	}
	m.Fatalf(format, args...)
}

func (m *model) lock(name string) *driver.Lock {
	if m.locks[name] == nil {
		m.locks[name] = &driver.Lock{Name: name}
	}
	return m.locks[name]
}

// join adds a client, up to a handful.
func (m *model) join() {
	m.Helper()
	if len(m.clients) >= 6 {
		return
	}
	c := &modelClient{client: m.clientOn(pick(m.rand, m.conns), time.Minute)}
	c.last = c.client.renew()
	m.clients = append(m.clients, c)
	m.note("join %v", c.lease.ID)
}

func (m *model) acquire(name string) {
	m.Helper()
	a := pick(m.rand, m.clients).attemptAs(name, m.someTerms())
	m.attempts = append(m.attempts, a)
	m.acquireAs(a, m.rand.IntN(4) > 0)
}

// acquireAgain repeats the call of an attempt: one in force, or one long over,
// its lease perhaps ended.
func (m *model) acquireAgain() {
	m.Helper()
	if len(m.attempts) > 0 {
		m.acquireAs(m.anAttempt(), m.rand.IntN(2) == 0)
	}
}

func (m *model) acquireAs(a driver.Attempt, wait bool) {
	m.Helper()
	m.note("acquire %v wait %v", a, wait)
	i := slices.IndexFunc(m.clients, func(c *modelClient) bool { return c.lease.ID == a.Lease })
	if i < 0 {
		_, err := pick(m.rand, m.conns).Acquire(m.ctx(), a, wait)
		if !errors.Is(err, driver.ErrLeaseGone) {
			m.failf("Acquire with an ended lease: %v, want ErrLeaseGone", err)
		}
		return
	}
	want := m.lock(a.Name)
	before := want.Fence
	if _, err := machine.Acquire(want, a, wait, time.Time{}); err != nil {
		_, got := acquire(m.ctx(), m.clients[i].conn, a, wait)
		var mode *driver.ModeError
		if !errors.As(got, &mode) || !driver.IsPermanent(got) || mode.Limit != want.Limit {
			m.failf("Acquire on other terms: %v, want a permanent %v", got, err)
		}
		return
	}
	reply := m.clients[i].client.acquire(a, wait)
	m.adopt(want, before, reply.Lock)
	m.equal(*want, reply.Lock)
}

func (m *model) release(a driver.Attempt) {
	m.Helper()
	m.note("release %v", a)
	m.mayLeave(a.Place())
	before := m.lock(a.Name).Fence
	want, _ := machine.Release(m.lock(a.Name), a.Place(), time.Time{})
	got, err := m.connOf(a.Lease).Release(m.ctx(), a)
	if err != nil {
		m.failf("Release: %v", err)
	}
	if got != want {
		m.failf("Release: outcome %s, want %s", outcome(got), outcome(want))
	}
	m.adoptRow(a.Name, before)
}

// connOf returns the Conn of the lease's client, or any if the lease has ended.
func (m *model) connOf(lease driver.ID) driver.Conn {
	for _, c := range m.clients {
		if c.lease.ID == lease {
			return c.conn
		}
	}
	return pick(m.rand, m.conns)
}

func (m *model) takeOver(name string) {
	m.Helper()
	var gone []driver.ID
	for _, id := range m.ended {
		if m.rand.IntN(4) > 0 {
			gone = append(gone, id)
		}
	}
	ended := m.aFence(name)
	m.note("take over %q ended %d gone %v", name, ended, gone)
	for p := range m.lock(name).Places() {
		g, _ := m.lock(name).GrantOf(p)
		if g.Mark != nil && g.Fence == ended || slices.Contains(gone, p.Lease) {
			m.mayLeave(p)
		}
	}
	before := m.lock(name).Fence
	machine.TakeOver(m.lock(name), gone, ended, time.Time{})
	if err := pick(m.rand, m.conns).TakeOver(m.ctx(), name, gone, ended); err != nil {
		m.failf("TakeOver: %v", err)
	}
	m.adoptRow(name, before)
}

// aFence returns the fence of a grant of name, or one near the last, or 0.
func (m *model) aFence(name string) uint64 {
	last := m.lock(name).Fence
	fences := []uint64{last, last, last, last + 1, last - min(last, 1), 0}
	for g := range m.lock(name).Grants() {
		fences = append(fences, g.Fence)
	}
	return pick(m.rand, fences)
}

func (m *model) revoke(name string) {
	m.Helper()
	m.revokeUnder(name, m.aFence(name))
}

func (m *model) revokeUnder(name string, fence uint64) {
	m.Helper()
	m.marks++
	mark := driver.Mark{By: "op", Reason: fmt.Sprint("reason ", m.marks)}
	m.note("revoke %q %d", name, fence)
	lock := m.lock(name)
	before := lock.Fence
	inForce, changed := machine.Revoke(lock, fence, mark, time.Time{})
	err := pick(m.rand, m.conns).Revoke(m.ctx(), name, fence, mark)
	switch {
	case inForce && err != nil:
		m.failf("Revoke: %v", err)
	case !inForce && !errors.Is(err, driver.ErrNotHeld):
		m.failf("Revoke of a grant not in force: %v, want ErrNotHeld", err)
	}
	grant, _ := lock.GrantUnder(fence)
	for _, c := range m.clients {
		c.revoked = c.revoked || changed && c.lease.ID == grant.Lease
	}
	m.adoptRow(name, before)
}

// renew checks that the notice rises if, and only if, a grant of the lease was
// marked since the last renewal.
func (m *model) renew(c *modelClient) {
	m.Helper()
	m.note("renew %v", c.lease.ID)
	now := c.client.renew()
	if c.revoked != (now.Notice > c.last.Notice) || now.Epoch != c.last.Epoch {
		m.failf("renewal %+v after %+v; revoked between: %v", now, c.last, c.revoked)
	}
	c.last, c.revoked, c.stale = now, false, true
}

// endLease ends a lease on one of the grounds that do not need time to pass.
func (m *model) endLease() {
	m.Helper()
	if len(m.clients) < 3 {
		return
	}
	i := m.rand.IntN(len(m.clients))
	c := m.clients[i]
	grounds, want := driver.Grounds{Own: true}, true
	if c.beat != 0 && m.rand.IntN(2) == 0 {
		grounds, want = driver.Grounds{Observed: c.beat}, !c.stale
	}
	m.note("end lease %v %+v", c.lease.ID, grounds)
	gone, err := c.conn.EndLease(m.ctx(), c.lease.ID, grounds)
	if err != nil {
		m.failf("EndLease: %v", err)
	}
	refused := m.h.Liveness && !grounds.Own && !gone
	if gone != want && !refused {
		m.failf("EndLease: gone %v, want %v", gone, want)
	}
	if gone {
		m.clients = slices.Delete(m.clients, i, i+1)
		m.ended = append(m.ended, c.lease.ID)
	}
}

// noteBeats remembers the beats that a Read shows, once in a while, so that
// some of them grow stale.
func (m *model) noteBeats() {
	m.Helper()
	if m.rand.IntN(5) > 0 {
		return
	}
	view := m.read(driver.Query{Names: m.names})
	for _, c := range m.clients {
		if state, ok := view.Leases[c.lease.ID]; ok {
			c.beat, c.stale = state.Beat, false
		}
	}
}

// anAttempt returns one of the attempts, most often a late one.
func (m *model) anAttempt() driver.Attempt {
	if len(m.attempts) == 0 {
		return m.forged()
	}
	late := m.attempts[max(0, len(m.attempts)-8):]
	if m.rand.IntN(5) == 0 {
		late = m.attempts
	}
	return pick(m.rand, late)
}

// forged returns an attempt that was never made, in parts of others.
func (m *model) forged() driver.Attempt {
	a := pick(m.rand, m.clients).attempt(pick(m.rand, m.names))
	if len(m.attempts) > 0 && m.rand.IntN(3) > 0 {
		a.Ticket = pick(m.rand, m.attempts[max(0, len(m.attempts)-8):]).Ticket
		for slices.Contains(m.attempts, a) {
			a.Lease = driver.NewID()
		}
	}
	return a
}
