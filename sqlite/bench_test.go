package sqlite

import "testing"

// BenchmarkCycle is an uncontended acquisition and its release.
func BenchmarkCycle(b *testing.B) {
	c := newClient(b, tempStore(b))
	for b.Loop() {
		a, _ := c.acquire("a")
		c.release(a)
	}
}

func BenchmarkRenew(b *testing.B) {
	c := newClient(b, tempStore(b))
	for b.Loop() {
		if _, err := c.RenewLease(b.Context(), c.lease); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHandOver is the time from a release to the wake-up of the client that
// the lock was handed to.
func BenchmarkHandOver(b *testing.B) {
	store := tempStore(b)
	one, other := newClient(b, store), newClient(b, store)
	heard := map[*client]<-chan string{one: one.listen(), other: other.listen()}
	held := one.hold("a").Attempt
	for b.Loop() {
		b.StopTimer()
		waiting, _ := other.acquire("a")
		b.StartTimer()
		one.release(held)
		for name := range heard[other] {
			if name == "a" {
				break
			}
		}
		one, other, held = other, one, waiting
	}
}
