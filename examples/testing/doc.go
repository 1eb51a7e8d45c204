// Package testing shows how to test your own code that uses locks: with the
// in-memory store, in virtual time, losing the lock and the database on command.
package testing
