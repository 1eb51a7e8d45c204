package leasehold

import (
	"context"
	"fmt"
)

// Extend makes a lock that was acquired with FixedTTL last for the whole of its TTL again,
// from now. It blocks until that is done, repeating the write through failures, until ctx
// ends or the lock is lost. One write.
//
// ErrLost: the lock was lost. ErrNotHeld: it was released. ErrOutcomeUnknown: ctx
// ended first; it may be extended yet, and Deadline tells. ErrInvalid: it was not
// acquired with FixedTTL; it is kept alive by itself.
func (l *Lock) Extend(ctx context.Context) error {
	if !l.fixed {
		return opErr("extend", l.hold.Name, fmt.Errorf("%w: it needs no extension, for it was acquired without FixedTTL and is kept alive by itself", ErrInvalid))
	}
	if err := l.ended(); err == ErrReleased {
		return opErr("extend", l.hold.Name, ErrNotHeld, err)
	}
	err := l.extend(ctx)
	switch lost := l.lost(); {
	case lost != nil:
		return lost
	case err == nil:
		return nil
	case l.ended() != nil:
		return opErr("extend", l.hold.Name, ErrNotHeld, l.ended())
	default:
		return opErr("extend", l.hold.Name, ErrOutcomeUnknown, ctxErr(ctx))
	}
}

// extend returns nil if the lock was extended and is held.
func (l *Lock) extend(ctx context.Context) error {
	if err := l.lease.Extend(ctx); err != nil {
		return err
	}
	return l.ended()
}
