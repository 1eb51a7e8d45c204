//go:build mutation

package mutation

import (
	"os"
	"slices"
	"sync/atomic"
)

// Variable is the environment variable that picks the mutation of a process.
const Variable = "LEASEHOLD_MUTATION"

// picked is the mutation in force.
var picked = func() *atomic.Value {
	v := new(atomic.Value)
	v.Store(check(Name(os.Getenv(Variable))))
	return v
}()

// On reports whether the mutation is in force.
func On(name Name) bool { return picked.Load() == name }

// Pick puts another mutation in force, in place of the one before; none if it is empty.
func Pick(name Name) { picked.Store(check(name)) }

// check panics at a name that is none: a test of a mutation that does not exist
// proves nothing.
func check(name Name) Name {
	if name != "" && !slices.Contains(All(), name) {
		panic("there is no mutation " + string(name))
	}
	return name
}
