package drivertest

import (
	"cmp"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Harness tells the suite how to open a backend's store, and what the store can
// do. Only Open is required.
type Harness struct {
	// Open returns a fresh, empty store, usable until t ends. The suite closes
	// the Conns that it makes of it. Several may be in use at once.
	Open func(t *testing.T) driver.Store

	// TTL is the TTL of the clients in tests that wait for one to pass.
	// Default 600 ms; at least 300 ms.
	TTL time.Duration

	// MaxTTL is the cap on the TTL that Connect enforces; 0: none.
	MaxTTL time.Duration

	// Listens: the store's Conns implement driver.Listener.
	Listens bool

	// Inherits: the store's Conns implement driver.Inheritor.
	Inherits bool

	// Starts: the store's Conns implement driver.Starter. Then the suite makes half of its
	// calls that way.
	Starts bool

	// Liveness: the store knows by itself whether a lease's client lives, and
	// says driver.Alive or driver.Dead where others say driver.Unknown. Such a
	// store may refuse to end a living lease on the grounds of time. Vanish is
	// required.
	Liveness bool

	// Lacks says what the store does not offer. The suite checks that it refuses that.
	Lacks Lacks

	// Vanish makes the client of conn die without a goodbye: its leases keep
	// their rows, and whatever the operating system held for it is let go.
	// Nil: a client that makes no more calls is dead enough.
	Vanish func(conn driver.Conn)

	// Guard begins a transaction that guards hold, and returns the function
	// that ends it. Nil: the store has no guard.
	Guard func(t *testing.T, store driver.Store, hold driver.Hold) (end func())
}

// Lacks is what a store may lack. It refuses each with driver.ErrUnsupported.
type Lacks struct {
	Shared  bool // driver.Shared
	Permits bool // driver.Permit
	MinHold bool // Terms.MinHold
	Fixed   bool // Lease.Fixed
	Data    bool // its Conns do not implement driver.DataKeeper
}

const defaultTTL = 600 * time.Millisecond

// Run runs the whole suite as subtests of t. It takes some seconds on a store
// in memory and less than a minute on a database.
func Run(t *testing.T, h Harness) {
	h.TTL = cmp.Or(h.TTL, defaultTTL)
	if h.Liveness && h.Vanish == nil {
		t.Fatal("drivertest: a harness with Liveness needs Vanish")
	}
	t.Run("Driver", func(t *testing.T) { testDriver(t, h) })
	t.Run("Model", func(t *testing.T) { testModel(t, h) })
	t.Run("Concurrent", func(t *testing.T) { testConcurrent(t, h) })
	t.Run("Client", func(t *testing.T) { testClient(t, h) })
}

// testDriver is level 1: the sentences of package driver.
func testDriver(t *testing.T, h Harness) {
	t.Run("Connect", func(t *testing.T) { testConnect(t, h) })
	t.Run("Lease", func(t *testing.T) { testLease(t, h) })
	t.Run("EndLease", func(t *testing.T) { testEndLease(t, h) })
	t.Run("Acquire", func(t *testing.T) { testAcquire(t, h) })
	t.Run("Release", func(t *testing.T) { testRelease(t, h) })
	t.Run("TakeOver", func(t *testing.T) { testTakeOver(t, h) })
	t.Run("Revoke", func(t *testing.T) { testRevoke(t, h) })
	t.Run("Fence", func(t *testing.T) { testFence(t, h) })
	t.Run("Read", func(t *testing.T) { testRead(t, h) })
	t.Run("Names", func(t *testing.T) { testNames(t, h) })
	t.Run("Interrupt", func(t *testing.T) { testInterrupt(t, h) })
	t.Run("Shared", func(t *testing.T) { testShared(t, h) })
	t.Run("Permits", func(t *testing.T) { testPermits(t, h) })
	t.Run("MinHold", func(t *testing.T) { testMinHold(t, h) })
	t.Run("Data", func(t *testing.T) { testData(t, h) })
	t.Run("Fixed", func(t *testing.T) { testFixed(t, h) })
	if h.Listens {
		t.Run("Listen", func(t *testing.T) { testListen(t, h) })
	}
	if h.Starts {
		t.Run("Starter", func(t *testing.T) { testStarter(t, h) })
	}
	if h.Guard != nil {
		t.Run("Guard", func(t *testing.T) { testGuard(t, h) })
	}
}

// cases are subtests, in the order of their names in the source.
type cases []struct {
	name string
	test func(w *world)
}

// parallel runs each case in a world of its own, some beside each other: they
// wait more than they work.
func (cs cases) parallel(t *testing.T, h Harness) {
	for _, c := range cs {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(newWorld(t, h))
		})
	}
}

// run runs one case after the other, each in a world of its own.
func (cs cases) run(t *testing.T, h Harness) {
	for _, c := range cs {
		t.Run(c.name, func(t *testing.T) { c.test(newWorld(t, h)) })
	}
}
