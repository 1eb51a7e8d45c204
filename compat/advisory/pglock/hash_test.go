package pglock_test

import (
	"fmt"
	"testing"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// The key of a name is the one that other programs compute.
func ExampleHash() {
	fmt.Println(pglock.Hash("test"))
	// Output: -439409999022904539
}

func TestHash(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]int64{
		"test2": 2271361535601096725, "a": -5808556873153909620, "": -3750763034362895579,
	} {
		if got := pglock.Hash(name); got != want {
			t.Errorf("Hash(%q) is %d, not %d", name, got, want)
		}
	}
}
