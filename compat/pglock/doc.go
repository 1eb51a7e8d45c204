// Package pglock has the API of cirello.io/pglock, and works with its table: a program
// changes the import path, and its old and new processes exclude each other on the same
// database, in any mixture, for as long as wanted. Locks are kept by the engine of package
// leasehold.
//
// # What it does not do
//
// It cannot promise more than the table allows. There are no fences: a holder that is
// paused past its lease, and goes on, is not stopped by what it writes to. There is no
// queue: who waits asks again and again, and the order is not that of arrival. After a
// failover to an asynchronous replica that lacks the last grants, a name may have two
// holders until the first of them renews. Package leasehold with package postgres does
// all that; see docs/migrating.md for the way there.
//
// All clients of a table must have the same lease duration, as ever: one with a shorter
// one takes locks from those that live.
//
// # What holds
//
// A lock is believed in until its trust deadline at most: the lease duration, less a
// margin of 5 % (250 ms at the most), after the last heartbeat that succeeded was sent.
// Then IsReleased is true, and the context of [Client.Do] and of [Lock.Context] has ended,
// whatever the network or the driver does. Nobody takes the lock over before.
//
// Heartbeats of all locks of a client are one statement together. Those who wait are one
// that only reads. Both go through the caller's pool, so leave it some room: a pool
// all of whose connections are busy for a lease duration costs the locks.
//
// A client needs no closing: when it holds and awaits nothing it has no goroutine; but if a
// statement had to be given up whose outcome is unknown, one looks for what it may
// have left, for ten minutes.
package pglock
