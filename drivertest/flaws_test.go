package drivertest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
)

// The suite is worth what it finds. Each flaw is put into a store that is
// otherwise sound, and each level that is said to find it must fail.

// flaw makes a connection of a sound store unsound.
type flaw struct {
	name  string
	level []string // the levels that must find it
	put   func(driver.Conn) driver.Conn
}

var levels = map[string]func(*testing.T, Harness){
	"Driver":     testDriver,
	"Model":      testModel,
	"Concurrent": testConcurrent,
}

var allLevels = []string{"Driver", "Model", "Concurrent"}

var flaws = []flaw{
	{"Theft", allLevels, func(c driver.Conn) driver.Conn { return theft{c} }},
	{"LostWaiter", allLevels, func(c driver.Conn) driver.Conn { return lostWaiter{c} }},
	{"FenceReused", allLevels, func(c driver.Conn) driver.Conn { return fenceReused{c} }},
	{"AcquireNotIdempotent", allLevels, func(c driver.Conn) driver.Conn { return acquireTwice{c} }},
	{"LastComeFirstServed", allLevels, func(c driver.Conn) driver.Conn { return lastFirst{c} }},
	{"ReleaseByAnybody", []string{"Driver", "Model"}, func(c driver.Conn) driver.Conn { return openRelease{c} }},
	{"ObservationIgnored", []string{"Driver", "Model"}, func(c driver.Conn) driver.Conn { return blindEnd{c} }},
	{"NamesFolded", []string{"Driver"}, func(c driver.Conn) driver.Conn { return folded{c} }},
	{"ReadersOvertake", []string{"Driver", "Model"}, func(c driver.Conn) driver.Conn { return readersOvertake{c} }},
	{"OnePermitTooMany", allLevels, func(c driver.Conn) driver.Conn { return permitTooMany{c} }},
	{"MinHoldForgotten", []string{"Driver", "Model"}, func(c driver.Conn) driver.Conn { return minHoldForgotten{c} }},
	{"LateAcquire", []string{"Driver"}, func(c driver.Conn) driver.Conn { return lateAcquire{c} }},
}

const flawVariable = "LEASEHOLD_DRIVERTEST_FLAW" // flaw:level

func TestSuiteFindsFlaws(t *testing.T) {
	if testing.Short() {
		t.Skip("tests the tests: only in the full run")
	}
	for _, f := range flaws {
		t.Run(f.name, func(t *testing.T) {
			for _, level := range f.level {
				if out, found := findFlaw(t, f.name, level); !found {
					t.Errorf("level %s did not find it:\n%s", level, out)
				}
			}
		})
	}
}

// findFlaw runs a level up to three times: some flaws show only if calls meet in
// time, which a busy machine can prevent. That the sound store passes is no luck.
func findFlaw(t *testing.T, name, level string) (out string, found bool) {
	t.Helper()
	for range 3 {
		var err error
		out, err = runFlawed(t, name, level)
		if err != nil && strings.Contains(out, "--- FAIL: TestFlawed") && !strings.Contains(out, "panic:") {
			return out, true
		}
	}
	return out, false
}

// TestSuitePassesTheSound: without a flaw, the same way of running passes.
func TestSuitePassesTheSound(t *testing.T) {
	if testing.Short() {
		t.Skip("tests the tests: only in the full run")
	}
	for _, level := range allLevels {
		if out, err := runFlawed(t, "None", level); err != nil {
			t.Errorf("level %s: %v\n%s", level, err, out)
		}
	}
}

// runFlawed runs one level over one flaw in another process, where it may fail.
func runFlawed(t *testing.T, name, level string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^TestFlawed$", "-test.failfast", "-test.timeout=50s")
	cmd.Env = append(os.Environ(), flawVariable+"="+name+":"+level)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// TestFlawed is the other process's test. On its own it runs the sound store.
func TestFlawed(t *testing.T) {
	name, level, ok := strings.Cut(os.Getenv(flawVariable), ":")
	if !ok {
		name, level = "None", "Model"
	}
	put := func(c driver.Conn) driver.Conn { return struct{ driver.Conn }{c} }
	for _, f := range flaws {
		if f.name == name {
			put = f.put
		}
	}
	levels[level](t, Harness{
		Open: func(*testing.T) driver.Store { return flawedStore{memory.New(), put} },
		TTL:  defaultTTL,

		Lacks: Lacks{Data: true}, // what wraps a Conn hides that
	})
}

type flawedStore struct {
	driver.Store
	put func(driver.Conn) driver.Conn
}

func (s flawedStore) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	conn, err := s.Store.Connect(ctx, settings)
	if err != nil {
		return nil, err
	}
	return s.put(conn), nil
}

// peek reads one row.
func peek(ctx context.Context, c driver.Conn, name string) driver.Lock {
	view, err := c.Read(ctx, driver.Query{Names: []string{name}})
	if err != nil || len(view.Locks) == 0 {
		return driver.Lock{Name: name}
	}
	return view.Locks[0]
}

func at(name string, p driver.Place) driver.Attempt {
	return driver.Attempt{Name: name, Lease: p.Lease, Ticket: p.Ticket}
}

// theft: a try takes the lock from whoever holds it.
type theft struct{ driver.Conn }

func (c theft) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	row := peek(ctx, c.Conn, a.Name)
	if !wait && row.Held() && row.Holder != a.Place() && len(row.Queue) == 0 {
		_, _ = c.Conn.Release(ctx, at(a.Name, row.Holder))
	}
	return c.Conn.Acquire(ctx, a, wait)
}

// lostWaiter: a release forgets the head of the queue.
type lostWaiter struct{ driver.Conn }

func (c lostWaiter) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	if row := peek(ctx, c.Conn, a.Name); row.HeldBy(a.Place()) && len(row.Queue) > 1 {
		_, _ = c.Conn.Release(ctx, at(a.Name, row.Queue[0].Place))
	}
	return c.Conn.Release(ctx, a)
}

// fenceReused: fences that follow soon are the same.
type fenceReused struct{ driver.Conn }

const coarse = 1<<16 - 1 // microseconds

func (c fenceReused) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	reply, err := c.Conn.Acquire(ctx, a, wait)
	reply.Lock.Fence &^= coarse
	return reply, err
}

func (c fenceReused) Read(ctx context.Context, q driver.Query) (driver.View, error) {
	view, err := c.Conn.Read(ctx, q)
	for i := range view.Locks {
		view.Locks[i].Fence &^= coarse
	}
	return view, err
}

func (c fenceReused) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	if row := peek(ctx, c.Conn, name); row.Fence&^coarse == fence {
		fence = row.Fence
	}
	return c.Conn.Revoke(ctx, name, fence, mark)
}

func (c fenceReused) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	if row := peek(ctx, c.Conn, name); row.Fence&^coarse == ended {
		ended = row.Fence
	}
	return c.Conn.TakeOver(ctx, name, gone, ended)
}

// acquireTwice: a repeated call makes another attempt.
type acquireTwice struct{ driver.Conn }

func (c acquireTwice) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	row := peek(ctx, c.Conn, a.Name)
	if wait && (row.HeldBy(a.Place()) || row.Ahead(a.Place()) >= 0) {
		again := a
		again.Ticket = driver.NewID()
		_, _ = c.Conn.Acquire(ctx, again, wait)
	}
	return c.Conn.Acquire(ctx, a, wait)
}

// lastFirst: a release sends the head of the queue to its end.
type lastFirst struct{ driver.Conn }

func (c lastFirst) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	if row := peek(ctx, c.Conn, a.Name); row.HeldBy(a.Place()) && len(row.Queue) > 1 {
		head := at(a.Name, row.Queue[0].Place)
		_, _ = c.Conn.Release(ctx, head)
		_, _ = c.Conn.Acquire(ctx, head, true)
	}
	return c.Conn.Release(ctx, a)
}

// openRelease: the ticket alone releases, whatever the lease.
type openRelease struct{ driver.Conn }

func (c openRelease) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	row := peek(ctx, c.Conn, a.Name)
	for p := range row.Places() {
		if p.Ticket == a.Ticket {
			a.Lease = p.Lease
		}
	}
	return c.Conn.Release(ctx, a)
}

// blindEnd: a lease is ended whatever beat was observed.
type blindEnd struct{ driver.Conn }

func (c blindEnd) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	if grounds.Observed != 0 {
		grounds = driver.Grounds{Own: true}
	}
	return c.Conn.EndLease(ctx, id, grounds)
}

// folded: capitals are small letters.
type folded struct{ driver.Conn }

func (c folded) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	name := a.Name
	a.Name = strings.ToLower(name)
	reply, err := c.Conn.Acquire(ctx, a, wait)
	reply.Lock.Name = name
	return reply, err
}

// readersOvertake: whoever would share a lock that is shared does not wait.
type readersOvertake struct{ driver.Conn }

func (c readersOvertake) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	row := peek(ctx, c.Conn, a.Name)
	if a.Terms.Mode == driver.Shared && len(row.Members) > 0 && row.Limit == 0 && row.Ahead(a.Place()) < 0 {
		for _, w := range row.Queue {
			_, _ = c.Conn.Release(ctx, at(a.Name, w.Place))
		}
		defer func() {
			for _, w := range row.Queue {
				again := at(a.Name, w.Place)
				again.Terms = w.Terms
				_, _ = c.Conn.Acquire(ctx, again, true)
			}
		}()
	}
	return c.Conn.Acquire(ctx, a, wait)
}

// permitTooMany: one more may hold than the limit says.
type permitTooMany struct{ driver.Conn }

func (c permitTooMany) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	if a.Terms.Mode == driver.Permit {
		a.Terms.Limit++
	}
	return c.Conn.Acquire(ctx, a, wait)
}

// minHoldForgotten: a minimum hold is not stored.
type minHoldForgotten struct{ driver.Conn }

func (c minHoldForgotten) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	a.Terms.MinHold = 0
	return c.Conn.Acquire(ctx, a, wait)
}

// lateAcquire: an interrupted call takes effect after it has returned.
type lateAcquire struct{ driver.Conn }

func (c lateAcquire) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < 5*time.Millisecond {
		late := context.WithoutCancel(ctx)
		time.AfterFunc(500*time.Microsecond, func() { _, _ = c.Conn.Acquire(late, a, wait) })
		return driver.Reply{}, context.DeadlineExceeded
	}
	return c.Conn.Acquire(ctx, a, wait)
}
