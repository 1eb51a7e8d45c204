package history

import (
	"cmp"
	"time"

	"github.com/leaseholdgo/leasehold/internal/clock"
)

// started is read once; what lies before it does not matter.
var started = time.Now()

// Now returns the present instant. Where there is no CLOCK_BOOTTIME, instants of
// one process are comparable with each other only, and suspension is not counted.
func Now() time.Duration { return cmp.Or(clock.Boottime(), time.Since(started)) }
