package keyed

import (
	"context"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Session is one stretch of time in which the server knows a Table under one identity. It is
// safe for concurrent use. Its calls do not block for longer than it is patient with the
// server: then it ends.
type Session interface {
	// Do carries out the batch, after those it was given before, and then calls done once,
	// with nil if all steps were carried out, or with the server's error, classified as
	// package driver asks for: then some may have been, and the session has drawn no fence.
	// It does not block. Where the session has ended before, done is called all the same,
	// perhaps before Do returns. done may call Do, and must not wait for another batch.
	Do(batch *Batch, done func(error))

	// Visit asks the server whether the session is there, and makes both sides as patient
	// as a lease with the TTL needs. Every renewal of a lease is one call.
	Visit(ctx context.Context, ttl time.Duration) error

	// Tidy is called after Do has reported an error, and before the next Do; batches that
	// were given before may still be under way, with other keys. It returns what
	// the session has of the keys, and of those in hide it does not show any more that it
	// waits.
	Tidy(keys, hide []string) (map[string]Mode, error)

	// Others returns who else has some of the keys.
	Others(ctx context.Context, keys []string) ([]Other, error)

	// Fail ends the session because of cause, unless it has ended. It does not block.
	Fail(cause error)
	// Ended returns a channel that is closed when the session has ended; from then on Cause
	// returns why, and nil before.
	Ended() <-chan struct{}
	Cause() error
	// Close ends the session if need be, because of ErrClosed, with a word to the server if
	// that does not take long, and waits for its goroutines.
	Close()
}

// ErrClosed is why a session ended that was closed: the server knows.
var ErrClosed = errors.New("the session was closed")

// Mode is what a session has of a key.
type Mode int8

const (
	None Mode = iota
	Shared
	Exclusive
)

// Step is one thing done to a key.
type Step int64

const (
	TryExclusive Step = 1 + iota // yes: the session has the key now
	TryShared
	Upgrade   // from shared to exclusive
	Downgrade // from exclusive to shared; it always can
	UnlockExclusive
	UnlockShared
	Unguarded // yes: no guard of the key is in progress
	Show      // that the session waits for the key; yes: it does
	Hide      // that it does
	Wanted    // yes: another session shows that it waits for the key, or it cannot be told
)

// Batch is what a session is asked to do at a time, with the reply.
type Batch struct {
	Steps []Step // in their order
	Keys  []string
	// Fences is how many to draw: consecutive ones, larger than all that were drawn before,
	// after the steps. None need be drawn if no step in Draws was answered with yes.
	Fences int
	// Draws are the indexes of the steps for which fences are drawn; -1 is among them if
	// fences are to be drawn in any case.
	Draws []int

	// Done is the reply to each step: yes or no.
	Done []bool
	// First is the first of the fences drawn.
	First uint64
}

// Other is another session that has a key.
type Other struct {
	Key    string
	Shared bool
	// State describes it. The lease's ID is not looked at.
	State driver.LeaseState
}

// Someone describes a session of which nothing else is known.
func Someone() driver.LeaseState {
	return driver.LeaseState{
		Lease: driver.Lease{TTL: time.Minute, Owner: "another session"},
		Beat:  1, Liveness: driver.Alive,
	}
}
