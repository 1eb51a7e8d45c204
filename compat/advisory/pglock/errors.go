package pglock

import (
	"errors"
	"strings"

	"github.com/leaseholdgo/leasehold/internal/reply"
)

// What the errors of this package match, in addition to those of the driver and the context.
var (
	// ErrPooler: connections share server processes, so that no connection can hold a lock.
	ErrPooler = errors.New("pglock: a pooler in transaction mode is in between, where a lock would be left with " +
		"another client's connection: connect to the server itself, or let the pooler use session mode (pgbouncer: pool_mode = session)")

	// ErrLost: the connection has ended, and with it whatever the Lock held. The Lock is of no more use: close it.
	ErrLost = errors.New("pglock: the connection that held the lock was lost")

	// ErrClosed: the Lock was closed.
	ErrClosed = errors.New("pglock: the lock is closed")
)

var errFull = errors.New("the pool has no room for another connection")

// errGone: somebody else unlocked it, in our session.
var errGone = errors.New("the session did not have the lock any more")

// errDoubt ends a Lock, and with it the connection.
var errDoubt = errors.New("it is not known whether the session has the lock")

// codes of errors with which the server, or a pooler, ends a connection: shutdown, terminated, crash, idle
// for too long, and whatever concerns the connection.
var fatal = []string{"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04", "08"}

// ended reports whether an error means that the connection has ended, or may have.
func ended(err error) bool {
	state := reply.State(err)
	for _, code := range fatal {
		if strings.HasPrefix(state, code) {
			return true
		}
	}
	return state == ""
}
