package drivertest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testFence(t *testing.T, h Harness) {
	cases{
		{"Hazard22_RisesOverEveryEnding", fenceRises},
		{"Hazard23_DrawnUnderTheRowLock", fenceUnderRowLock},
		{"PerName", fencePerName},
	}.parallel(t, h)
}

// fenceRises ends grants in every way there is.
func fenceRises(w *world) {
	conn, operator := w.connect(), w.client()
	var last uint64
	for i := range 24 {
		c := w.clientOn(conn, w.h.TTL)
		a, fence := c.hold("a")
		if fence <= last {
			w.Fatalf("grant %d: fence %d after %d", i, fence, last)
		}
		last = fence
		switch i % 4 {
		case 0:
			c.release(a, driver.Released)
		case 1:
			c.end()
			operator.takeOver("a", 0, c.lease.ID)
		case 2:
			operator.revoke("a", fence, driver.Mark{By: "op"})
			operator.takeOver("a", fence)
		case 3:
			c.end()
			c.release(a, driver.Released)
		}
		if row := w.wantRow("a", nobody); row.Fence != last {
			w.Fatalf("ending %d: the free row has fence %d, want %d", i, row.Fence, last)
		}
	}
}

// fenceUnderRowLock races tries that release at once: whoever is granted later
// has the larger fence, however long its statement was on its way.
func fenceUnderRowLock(w *world) {
	const racers, rounds = 6, 25
	clients := make([]*client, racers)
	for i := range clients {
		clients[i] = w.client()
	}
	watch := newWitness(w.T)
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			for range rounds {
				a := c.attempt("a")
				reply, err := c.conn.Acquire(w.Context(), a, false)
				if err == nil && reply.Lock.HeldBy(a.Place()) {
					watch.enter("a", a.Terms, reply.Lock.Fence)
					watch.leave("a", a.Terms)
				}
				releaseUntilKnown(w.T, c.conn, a)
			}
		})
	}
	wg.Wait()
	if watch.grants("a") == 0 {
		w.Error("nobody was granted the lock")
	}
	w.wantRow("a", nobody)
}

func fencePerName(w *world) {
	c := w.client()
	fences := map[string]uint64{}
	for range 3 {
		for i := range 4 {
			name := fmt.Sprint("name-", i)
			a, fence := c.hold(name)
			if fence <= fences[name] {
				w.Errorf("%s: fence %d after %d", name, fence, fences[name])
			}
			fences[name] = fence
			c.release(a, driver.Released)
		}
	}
}
