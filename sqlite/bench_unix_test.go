//go:build unix

package sqlite

import (
	"syscall"
	"testing"
	"time"
)

// BenchmarkWaiter reports the processor time that a client costs which waits for
// a lock, and one which listens and waits for nothing, in a second of either.
func BenchmarkWaiter(b *testing.B) {
	for name, wait := range map[string]bool{"waiting": true, "idle": false} {
		b.Run(name, func(b *testing.B) {
			store := tempStore(b)
			holder, waiter := newClient(b, store), newClient(b, store)
			waiter.listen()
			holder.hold("a")
			if wait {
				waiter.acquire("a")
			}
			before := processorTime(b)
			for b.Loop() {
				time.Sleep(time.Second)
			}
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/1e6, "cpu-ms/s")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
