// Package pglock is a drop-in for go.rtnl.ai/pglock: session-level advisory locks of
// PostgreSQL over database/sql, with the same API on the same keys, so that a service moves by
// changing an import path, while processes with the old package and with this one exclude
// each other.
//
// # What it does not do
//
//   - The server frees the locks of a connection that has ended, before its holder can know.
//     A holder that must not go on asks for [Lock.Done], which is an addition; its bound is below.
//   - Waits are not bounded but by their contexts, and two locks in two orders deadlock; the server
//     finds that after its deadlock_timeout and fails one of the waits.
//   - Nothing numbers the holders.
//   - Within one Lock nothing excludes: its goroutines share its holds, as they share
//     its connection.
//
// postgres.NewSession does better in all of these, on the same keys with postgres.Key;
// docs/migrating.md says how to get there.
//
// # Connections
//
// Each Lock has one connection of the pool to itself, from New to Close. Calls take turns on
// it, so a call waits while another one of the same Lock is blocked at the server. A second
// connection of the pool is used for a moment by New, to find a pooler, and when a wait is cancelled. A pool
// of one connection can do neither: then New trusts what it sees on its own connection,
// and a wait that is given up stays with the server until it is granted, and is given back then; the
// Lock's other calls wait for that, and Close ends it with the connection.
//
// # Contexts
//
// No context of the caller's reaches the connection, since drivers close the connection of a
// cancelled statement, and with it would go whatever the Lock holds. A wait is cancelled through
// another connection (pg_cancel_backend). If it was granted at that moment it is given back.
//
// # Loss
//
// A call tells when the connection has ended, and so do [Lock.Done] and [Lock.Err]. Once
// Done was called, the connection is asked once a second while no call is under way, and given up if it does not
// answer for five: so a server that vanished is noticed within seven seconds, and an end that the
// server told within about one. A network that falls silent while a call of this Lock is
// blocked is noticed by TCP only.
//
// # Poolers
//
// A pooler that lends server processes for a transaction or a statement at a time (pgbouncer:
// pool_mode transaction) would leave the lock with another client's process. New refuses it, with ErrPooler.
// Each statement looks whether it runs in the process that New found, and does nothing elsewhere,
// which ends the Lock.
package pglock
