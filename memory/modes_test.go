package memory_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/memory"
)

// client is a Conn with a lease.
type client struct {
	t *testing.T
	driver.Conn
	lease driver.ID
}

func connect(t *testing.T, store *memory.Store) *client {
	t.Helper()
	conn, err := store.Connect(t.Context(), driver.Settings{TTL: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	c := &client{t, conn, driver.NewID()}
	if _, err := conn.CreateLease(t.Context(), driver.Lease{ID: c.lease, TTL: time.Second}); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *client) attempt(terms driver.Terms) driver.Attempt {
	return driver.Attempt{Name: "a", Lease: c.lease, Ticket: driver.NewID(), Terms: terms}
}

// acquire makes an attempt, and returns the row after it.
func (c *client) acquire(terms driver.Terms) (driver.Attempt, driver.Lock) {
	c.t.Helper()
	a := c.attempt(terms)
	reply, err := c.Acquire(c.t.Context(), a, true)
	if err != nil {
		c.t.Fatal(err)
	}
	return a, reply.Lock
}

func (c *client) release(a driver.Attempt) driver.Outcome {
	c.t.Helper()
	got, err := c.Release(c.t.Context(), a)
	if err != nil {
		c.t.Fatal(err)
	}
	return got
}

func (c *client) row() driver.Lock {
	c.t.Helper()
	view, err := c.Read(c.t.Context(), driver.Query{Names: []string{"a"}})
	if err != nil || len(view.Locks) != 1 {
		c.t.Fatalf("read: %+v, %v", view, err)
	}
	return view.Locks[0]
}

var shared = driver.Terms{Mode: driver.Shared}

// TestLoseTakesFromAllWhoShare: everybody who holds is told, and the waiter is next.
func TestLoseTakesFromAllWhoShare(t *testing.T) {
	store := memory.New()
	one, other, writer := connect(t, store), connect(t, store), connect(t, store)
	one.acquire(shared)
	other.acquire(shared)
	waits, _ := writer.acquire(driver.Terms{})
	if !store.Lose("a") {
		t.Error("nobody lost a lock that two shared")
	}
	if row := one.row(); !row.HeldBy(waits.Place()) {
		t.Errorf("the row is %+v", row)
	}
	for _, c := range []*client{one, other} {
		if r, err := c.RenewLease(t.Context(), c.lease); err != nil || r.Notice != 1 {
			t.Errorf("renewal of one who lost it: %+v, %v", r, err)
		}
	}
	if store.Lose("b") {
		t.Error("somebody lost a lock that nobody had")
	}
}

// TestMinHoldPassesInVirtualTime: not an instant before it is over, and not after.
func TestMinHoldPassesInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, memory.New())
		a, _ := c.acquire(driver.Terms{MinHold: time.Minute})
		waits, _ := c.acquire(driver.Terms{})
		c.release(a)
		time.Sleep(time.Minute - time.Nanosecond)
		if err := c.TakeOver(t.Context(), "a", nil, 0); err != nil {
			t.Fatal(err)
		}
		if row := c.row(); row.Held() || row.Kept != time.Nanosecond {
			t.Errorf("just before: %+v", row)
		}
		time.Sleep(time.Nanosecond)
		if err := c.TakeOver(t.Context(), "a", nil, 0); err != nil {
			t.Fatal(err)
		}
		if row := c.row(); !row.HeldBy(waits.Place()) {
			t.Errorf("just after: %+v", row)
		}
	})
}

// TestPromotionGrantsNothing: while nothing is granted, neither a cancel nor the end of a
// minimum hold lets anybody in, and nobody joins those who share.
func TestPromotionGrantsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		c := connect(t, store)
		a, _ := c.acquire(shared)
		writer, _ := c.acquire(driver.Terms{})
		reader, _ := c.acquire(shared)
		promote := store.Standby()
		if got := c.release(writer); got != driver.Cancelled { // the copy does not know of it
			t.Fatalf("outcome %v", got)
		}
		promote()
		before := c.row()
		if got := c.release(writer); got != driver.Busy {
			t.Errorf("a cancel that would let a reader in: outcome %v, want Busy", got)
		}
		if _, err := c.Acquire(t.Context(), c.attempt(shared), true); err == nil || driver.IsPermanent(err) {
			t.Errorf("an attempt that would queue: %v", err)
		}
		if row := c.row(); !row.HeldBy(a.Place()) || row.Fence != before.Fence || len(row.Queue) != 2 {
			t.Errorf("the row was %+v, and is %+v", before, row)
		}
		time.Sleep(2 * time.Minute)
		if got := c.release(writer); got != driver.Cancelled {
			t.Errorf("outcome %v after the pause", got)
		}
		if row := c.row(); !row.HeldBy(reader.Place()) || !row.HeldBy(a.Place()) {
			t.Errorf("after the pause: %+v", row)
		}
	})
}

// TestDataIsCopied: what the caller does to its slices afterwards changes nothing.
func TestDataIsCopied(t *testing.T) {
	c := connect(t, memory.New())
	a, _ := c.acquire(driver.Terms{})
	keeper, ok := c.Conn.(driver.DataKeeper)
	if !ok {
		t.Fatal("no data can be kept")
	}
	data := []byte("one")
	if err := keeper.SetData(context.Background(), a, data, false); err != nil {
		t.Fatal(err)
	}
	data[0] = 'X'
	c.row().Data[1] = 'X'
	if row := c.row(); string(row.Data) != "one" {
		t.Errorf("data %q", row.Data)
	}
	c.release(a)
	if err := keeper.SetData(t.Context(), a, data, true); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("SetData after the release: %v, want ErrNotHeld", err)
	}
}
