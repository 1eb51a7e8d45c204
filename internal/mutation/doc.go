// Package mutation breaks one safety mechanism at a time, so that the checks can be
// checked: one that does not notice a broken mechanism proves nothing.
//
// No program is built with it: without the build tag "mutation", [On] is constantly
// false, and the compiler removes every mutation. With the tag, the environment
// variable LEASEHOLD_MUTATION picks one.
package mutation
