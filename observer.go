package leasehold

import "time"

// Observer is told what a client does. Every field may be nil. The functions are
// called from the client's goroutines, possibly several at once; a slow one
// delays that client's work, but never the end of a lock's context.
type Observer struct {
	// Acquired: a lock was granted after waited, from the call of Acquire.
	Acquired func(lock *Lock, waited time.Duration)
	// Queued: an acquisition is in the database's queue, with ahead places before
	// it, the holders not included. Of several acquisitions of one name by one
	// client only the first is there; each of the others is told when it has become
	// the first, and has to wait there. It is told again if its place was lost.
	Queued func(name string, ahead int)
	// Released: a lock was let go of by its holder, having been held for held.
	Released func(lock *Lock, held time.Duration)
	// Lost: a lock was lost. Its context has ended before.
	Lost func(lock *Lock, err *LostError)
	// Renewed: an attempt to renew the lease ended after took; err is nil if
	// it succeeded.
	Renewed func(took time.Duration, err error)
	// Expired: this client ended the lease of another that had died.
	Expired func(owner string)
	// StoreFailed: a call to the store failed and will be repeated.
	StoreFailed func(op string, err error)
}
