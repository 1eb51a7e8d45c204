package clock

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const (
	clockMonotonic = 1
	clockBoottime  = 7
)

// slack is the smallest suspension that counts. The two clocks cannot be read at
// one instant, and the result must not jitter.
const slack = 5 * time.Millisecond

// counted is the total suspension since boot as suspended last returned it.
var counted atomic.Int64

// suspended returns how long the machine has been suspended since it booted,
// to within slack. A reading that was interrupted is not used.
func suspended() time.Duration {
	last := suspendedBefore()
	for range 10 {
		before := read(clockMonotonic)
		total := read(clockBoottime) - before
		if (total - last).Abs() < slack {
			return last // an interruption between the two would have made it more
		}
		if read(clockMonotonic)-before <= slack/5 {
			counted.CompareAndSwap(int64(last), int64(total))
			return total
		}
	}
	return last
}

func suspendedBefore() time.Duration { return time.Duration(counted.Load()) }

// Boottime returns the time since the machine booted, suspension included. It is
// comparable between processes of one machine. It is 0 where it cannot be read.
func Boottime() time.Duration { return read(clockBoottime) }

func read(id uintptr) time.Duration {
	var ts syscall.Timespec
	_, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, id, uintptr(unsafe.Pointer(&ts)), 0)
	if errno != 0 {
		return 0
	}
	return time.Duration(ts.Nano())
}
