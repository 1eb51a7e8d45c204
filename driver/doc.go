// Package driver defines what a backend of Leasehold implements. Users do not
// call it; they pass a [Store] to leasehold.Open.
//
// # What a backend need not do
//
// A backend holds rows and applies transitions. It does not wait, retry, keep
// leases alive, judge by elapsed time, or decide whom to tell: the leasehold
// package does. It starts no goroutine but those that Listen needs.
//
// # What it must do
//
// A lock is one row ([Lock]), a lease is one row ([LeaseState]). Every method of
// [Conn] that changes something is one atomic, durable, idempotent transition
// of these rows, equal to the function of the same name in internal/machine,
// the specification. Package drivertest holds the suite that every backend
// passes.
//
// Order: a call that returned an error may or may not have taken effect, but it
// never takes effect after a later call on the same Conn for the same ticket
// (or, for CreateLease and EndLease, the same lease) has returned nil. A backend
// whose connection broke makes sure that the statement it lost has ended
// before it sends the next one. So a caller that repeats Release until it
// returns nil knows that nothing of the attempt is left.
//
// Liveness: no statement that writes judges in its own snapshot whether another
// client's lease exists. Callers pass the leases that an earlier Read showed
// to be gone; since lease ids are random and never come back, gone is for ever.
//
// Errors: a backend returns its database's error as it is, wrapped with
// [Permanent] where repeating the call cannot help (no privilege, no table, a
// name the database cannot store). Every other error is retried by the caller.
// No error holds SQL, a connection string or a password.
package driver
