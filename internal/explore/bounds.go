package explore

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Bounds say how large a world is. The zero value is of no use.
type Bounds struct {
	Name     string // of these bounds
	Clients  int    // at most 3
	Names    int    // at most 2
	Attempts int    // of each client
	Again    int    // further attempts of the first client
	Try      bool   // the last client tries, and does not wait

	// Terms are what the clients ask for, in order of their numbers; those beyond ask for
	// the lock alone. They agree with each other.
	Terms []driver.Terms

	// Tolerance is that of observers, in ticks: 0 as long as the TTL, negative: no clock
	// ends a lease.
	Tolerance int

	// How often each may happen, in all.
	Lost       int // replies
	Late       int // replies that come late, or on which the client acts late
	Hints      int // notifications that arrive
	Crashes    int
	Cancels    int
	Revokes    int
	Promotions int // of a copy that lags by up to Lag ticks
	Lag        int

	// start is what has happened already: all orders of what follows are tried.
	start []step

	// MaxStates ends the exploration; 0: never.
	MaxStates int
}

// String describes the bounds in one line.
func (b Bounds) String() string {
	parts := []string{fmt.Sprintf("%d clients, %d names, %d attempts each", b.Clients, b.Names, b.Attempts)}
	for i, t := range b.Terms {
		switch {
		case t.Mode == driver.Shared:
			parts = append(parts, fmt.Sprintf("client %d shares", i))
		case t.Mode == driver.Permit:
			parts = append(parts, fmt.Sprintf("client %d wants one of %d permits", i, t.Limit))
		case t.MinHold > 0:
			parts = append(parts, fmt.Sprintf("client %d holds for %d ticks at least", i, t.MinHold/tick))
		}
	}
	for _, fault := range []struct {
		n    int
		what string
	}{
		{b.Again, "more of the first"}, {b.Lost, "lost replies"}, {b.Late, "late replies"}, {b.Hints, "notifications"}, {b.Crashes, "crashes"}, {b.Cancels, "cancels"},
		{b.Revokes, "revocations"}, {b.Promotions, "promotions"},
	} {
		if fault.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", fault.n, fault.what))
		}
	}
	return strings.Join(parts, ", ")
}

const (
	tick = time.Second
	ttl  = 3 * tick
)

// epochStart is tick 0. It is small so that fences are.
var epochStart = time.Unix(1000, 0)

// instant returns the database's clock at a tick.
func instant(ticks int) time.Time { return epochStart.Add(time.Duration(ticks) * tick) }

// rates are how fast the clients' clocks run, in percent.
var rates = []time.Duration{96, 104, 100, 100}

// local returns a client's clock at a tick.
func local(client, ticks int) time.Time {
	return epochStart.Add(time.Duration(ticks) * tick * rates[client] / 100)
}

// attempts returns how many attempts a client makes.
func (b Bounds) attempts(client int) int {
	if client == 0 {
		return b.Attempts + b.Again
	}
	return b.Attempts
}

// clocked reports whether anything depends on how long ago a lease was renewed.
func (b Bounds) clocked() bool { return b.Tolerance >= 0 }

// terms returns what a client asks for.
func (b Bounds) terms(client int) driver.Terms {
	if client < len(b.Terms) {
		return b.Terms[client]
	}
	return driver.Terms{}
}

// keeps reports whether a lock may stay taken for a minimum hold.
func (b Bounds) keeps() bool {
	return slices.ContainsFunc(b.Terms, func(t driver.Terms) bool { return t.MinHold > 0 })
}

// runs reports whether the clock matters that transitions are given. It stands still
// where no row can be lost: the row alone must make fences rise then.
func (b Bounds) runs() bool { return b.Promotions > 0 || b.keeps() }

// clock returns that clock.
func (w *world) clock() time.Time {
	if !w.bounds.runs() {
		return instant(0)
	}
	return instant(w.now)
}

func (b Bounds) tolerance() time.Duration { return time.Duration(b.Tolerance) * tick }
