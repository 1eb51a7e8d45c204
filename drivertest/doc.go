// Package drivertest holds the conformance suite that every backend of
// Leasehold passes, unchanged.
//
// # What passing does not show
//
// The suite runs in one process, against a store that is up. It does not kill
// servers, step clocks or cut networks, and it cannot prove that a commit
// survives a crash: a backend shows these in tests of its own. It judges times
// generously and orderings exactly.
//
// # What it checks
//
// Four levels, each of which finds what the one before cannot:
//
//   - the sentences of package driver, one by one, on bare connections;
//   - equality with internal/machine over long random sequences of calls,
//     stale and repeated ones among them;
//   - exclusion, order and rising fences among goroutines on several
//     connections, some of which die while they hold or wait;
//   - the behaviour of leasehold.Client over the store, also when the line
//     between them is bad.
//
// A backend calls [Run] from a test of its own. What a store can do beyond the
// least that package driver asks for is stated in the [Harness]; a store that
// does more or less than stated fails.
package drivertest
