// Package sessiontest holds what the tests of session stores share: stores whose locks
// live and die with a database session, of several servers.
//
// # What passing does not show
//
// A server's own ways are for tests beside its store: how it names sessions and keys, what
// its poolers do, what its tables look like.
//
// # What it checks
//
// The suite in package drivertest runs in one process against a server that is up. The
// functions here go on from there: sessions that are killed, waits that are cancelled,
// processes that compete, and guards across all of that. Each takes a [Site] and is one
// test; a backend calls it from a test of its own, which names it.
package sessiontest
