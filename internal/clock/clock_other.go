//go:build !linux

package clock

import "time"

// start is read once: what lies before it does not matter.
var start = time.Now()

// suspended returns how far the wall clock has run ahead of the monotonic one
// since the process started, in whole milliseconds.
func suspended() time.Duration {
	now := time.Now()
	wall := now.Round(0).Sub(start.Round(0))
	return max(wall-now.Sub(start), 0).Truncate(time.Millisecond)
}

func suspendedBefore() time.Duration { return suspended() }

// Boottime returns 0: there is no clock here that processes share.
func Boottime() time.Duration { return 0 }
