// Package clock reads the elapsed time that the trust in a lease is measured
// by. It does not read wall clocks of other machines, and nothing it returns is
// comparable between machines.
//
// Elapsed time includes the time the machine was suspended: on Linux it is the
// later of CLOCK_MONOTONIC (which time.Now carries) and CLOCK_BOOTTIME, see
// clock_gettime(2). Elsewhere the monotonic clock may stand still while the
// machine sleeps, and the wall clock's lead over it is added; so a wall clock
// that is set forward can shorten trust there, and one that is set back changes
// nothing.
//
// A virtual machine that is paused with all its clocks is not noticed by any
// clock of its own.
package clock

import (
	"time"

	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// Margin is the part of a lease's TTL that its holder gives away at the end and
// an observer adds: 5 % of the TTL up to 250 ms, and never less than 0.5 %. It
// covers clocks that run at different rates, and late timers. Holder and
// observer compute it from the TTL stored with the lease, so they agree.
func Margin(ttl time.Duration) time.Duration {
	if mutation.On(mutation.NoMargin) {
		return 0
	}
	return max(min(ttl/20, 250*time.Millisecond), ttl/200)
}

// Now returns an instant to subtract from other results of Now in this process.
// It is not the time of day.
func Now() time.Time { return time.Now().Add(suspended()) }

// Since returns the time elapsed since start, a result of Now.
func Since(start time.Time) time.Duration { return Now().Sub(start) }

// Until returns the time from now to deadline, an instant of this clock.
func Until(deadline time.Time) time.Duration { return deadline.Sub(Now()) }

// Sooner returns how long a timer that guards an event after d may sleep. Timers
// stand still while the machine is suspended, so a long wait is taken in slices.
func Sooner(d time.Duration) time.Duration { return min(d, time.Second) }

// Recent is Now, but may miss a suspension that no call of Now has noticed yet. It is for
// measuring and for bounds that nothing depends on; it costs a quarter of Now.
func Recent() time.Time { return time.Now().Add(suspendedBefore()) }
