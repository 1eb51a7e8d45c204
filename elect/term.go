package elect

import (
	"context"

	"github.com/leaseholdgo/leasehold"
)

// Term is one leadership, from the election to the resignation or the loss. It is
// safe for concurrent use. Its leader closes it, also after a loss: only then is
// the next candidate elected without delay.
type Term struct{ lock *leasehold.Lock }

// Number returns the number of the term: larger than those of all earlier terms of
// this election. It is the fence of the lock. Pass it to what the leader commands,
// to reject smaller ones.
func (t *Term) Number() uint64 { return t.lock.Fence() }

// Owner returns the name under which the leader's client goes, for people.
func (t *Term) Owner() string { return t.lock.Owner() }

// Lock returns the lock that is held by leading, for guards and deadlines. To
// release it is to resign.
func (t *Term) Lock() *leasehold.Lock { return t.lock }

// Context returns the context that ends when the leader resigns or loses the
// lead, before anybody else is elected, whatever hangs. It carries the values of the
// context given to Campaign, not its cancellation. context.Cause tells why it ended:
// [leasehold.ErrReleased] after a resignation, else a [*leasehold.LostError], which
// matches [leasehold.ErrRevoked] if somebody has asked the leader to step down.
func (t *Term) Context() context.Context { return t.lock.Context() }

// Leads reports whether the leader may believe at this instant that it leads. No
// I/O. Who asks, and then acts, may be paused in between.
func (t *Term) Leads() bool { return t.lock.Held() }

// Resign ends the term: its context ends at once, then the next candidate is
// elected, with the same commit. It waits for that until ctx ends.
//
// Nil: the term is over for everybody. (If a guarded transaction of the leader's
// own is still in progress, that happens in the background when it has ended.)
// [leasehold.ErrLost]: the lead had been lost before.
// [leasehold.ErrOutcomeUnknown]: ctx ended, or the lease did, before the database
// answered; the resignation goes on in the background, and ends at the latest when
// the lease expires. Idempotent: further calls wait and return the same. One round
// trip and one commit.
func (t *Term) Resign(ctx context.Context) error { return t.lock.Release(ctx) }

// Close is Resign, bounded by the trust deadline as it is now.
func (t *Term) Close() error { return t.lock.Close() }
