package sqlite

import (
	"context"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// client is one client of a store: a Conn and one lease.
type client struct {
	t testing.TB
	*conn
	lease driver.ID
}

const testTTL = 15 * time.Second

func tempStore(t testing.TB) *Store { return Open(filepath.Join(t.TempDir(), "locks.db")) }

func connectTTL(t testing.TB, store *Store, ttl time.Duration) *conn {
	t.Helper()
	c, err := store.Connect(t.Context(), driver.Settings{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() }) // a test may have closed it already
	return c.(*conn)
}

func newClient(t testing.TB, store *Store) *client {
	t.Helper()
	return leaseOn(t, connectTTL(t, store, testTTL))
}

func leaseOn(t testing.TB, conn *conn) *client {
	t.Helper()
	c := &client{t, conn, driver.NewID()}
	_, err := conn.CreateLease(t.Context(), driver.Lease{ID: c.lease, TTL: testTTL, Owner: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) attempt(name string) driver.Attempt {
	return driver.Attempt{Name: name, Lease: c.lease, Ticket: driver.NewID()}
}

// acquire makes an attempt, and reports whether it was granted.
func (c *client) acquire(name string) (driver.Attempt, bool) {
	c.t.Helper()
	a := c.attempt(name)
	reply, err := c.Acquire(c.t.Context(), a, true)
	if err != nil {
		c.t.Fatal(err)
	}
	return a, reply.Lock.HeldBy(a.Place())
}

func (c *client) hold(name string) driver.Hold {
	c.t.Helper()
	a, granted := c.acquire(name)
	if !granted {
		c.t.Fatalf("%q is not free", name)
	}
	return driver.Hold{Attempt: a, Fence: c.row(name).Fence, Conn: c.conn}
}

func (c *client) release(a driver.Attempt) {
	c.t.Helper()
	if _, err := c.Release(c.t.Context(), a); err != nil {
		c.t.Fatal(err)
	}
}

func (c *client) row(name string) driver.Lock {
	c.t.Helper()
	view := c.view(name)
	if len(view.Locks) != 1 {
		c.t.Fatalf("%d rows of %q", len(view.Locks), name)
	}
	return view.Locks[0]
}

func (c *client) view(name string) driver.View {
	c.t.Helper()
	view, err := c.Read(c.t.Context(), driver.Query{Names: []string{name}})
	if err != nil {
		c.t.Fatal(err)
	}
	return view
}

// liveness returns what the store knows of the lease, which holds name.
func (c *client) liveness(name string, lease driver.ID) driver.Liveness {
	c.t.Helper()
	state, ok := c.view(name).Leases[lease]
	if !ok {
		c.t.Fatal("the lease has no row")
	}
	return state.Liveness
}

func (c *client) endLease(id driver.ID, grounds driver.Grounds) bool {
	c.t.Helper()
	gone, err := c.EndLease(c.t.Context(), id, grounds)
	if err != nil {
		c.t.Fatal(err)
	}
	return gone
}

// listen starts to listen, and returns where the wake-ups arrive. The first, which
// says that it listens, has been taken.
func (c *client) listen() <-chan string {
	c.t.Helper()
	heard := make(chan string, 1000)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Listen(ctx, c.lease, func(hint driver.Hint) { heard <- hint.Name })
	}()
	c.t.Cleanup(func() { stop(); <-done })
	<-heard
	return heard
}

// refused checks that the store cannot be used at all, for the reason given.
func refused(t *testing.T, store driver.Store, reason string) {
	t.Helper()
	c, err := store.Connect(t.Context(), driver.Settings{TTL: testTTL})
	if err == nil {
		_ = c.Close()
		t.Fatalf("accepted; want %q", reason)
	}
	if !driver.IsPermanent(err) || !strings.Contains(err.Error(), reason) {
		t.Errorf("error %q (permanent: %v), want one with %q", err, driver.IsPermanent(err), reason)
	}
	for _, word := range []string{"SELECT", "PRAGMA", "BEGIN", "_pragma"} {
		if strings.Contains(err.Error(), word) {
			t.Errorf("the error holds SQL: %q", err)
		}
	}
}

// await polls until done reports true.
func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for start := time.Now(); !done(); time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
