package sqlite

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// TestHazard31_DescriptorsDoNotGrow: neither with locks held nor with waiters.
func TestHazard31_DescriptorsDoNotGrow(t *testing.T) {
	store := tempStore(t)
	holder, waiter := newClient(t, store), newClient(t, store)
	waiter.listen()
	holder.hold("first")
	waiter.acquire("first")
	before := descriptors(t, holder.path)
	if before < 2*2 { // each client's database and lease, at the least
		t.Fatalf("%d descriptors found", before)
	}
	for i := range 100 {
		holder.hold(fmt.Sprint(i))
		waiter.acquire(fmt.Sprint(i))
	}
	// One more for each connection that had not been used, one for the file of
	// the one holder.
	if after := descriptors(t, holder.path); after > before+5 {
		t.Errorf("%d descriptors with 101 locks and waiters, %d with one", after, before)
	}
}

// descriptors counts those of this process on the database and beside it.
func descriptors(t *testing.T, path string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		if err == nil && strings.HasPrefix(target, path) {
			n++
		}
	}
	return n
}
