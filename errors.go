package leasehold

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// These errors can come from an acquisition. The lock is not held, and nothing of
// the attempt stays behind: what is left of it is cleared up in the background.
var (
	// ErrHeld: somebody else holds the lock. The error is a *HeldError.
	ErrHeld = errors.New("held by another")

	// ErrInvalid: a name, an option or a Config cannot be used as it is.
	ErrInvalid = errors.New("invalid")

	// ErrMode: the name is in use in another way: as a lock and not with permits,
	// or with another number of them. The error is a *ModeError.
	ErrMode = errors.New("in use in another way")
)

// These errors say why a lock's context ended. All but ErrReleased match ErrLost
// too: context.Cause(lock.Context()) is then a *LostError.
var (
	// ErrReleased: the holder released it.
	ErrReleased = errors.New("leasehold: the lock was released")

	// ErrLost: the lock was lost, for one of the reasons below.
	ErrLost = errors.New("the lock was lost")

	// ErrExpired: the lease could not be renewed before the trust deadline: an
	// outage, a pause, a hanging network.
	ErrExpired = keepalive.ErrExpired

	// ErrRevoked: somebody revoked it. The reason is a *RevokedError.
	ErrRevoked = keepalive.ErrRevoked

	// ErrLeaseGone: the lease's row, or the grant in the lock's row, is gone:
	// deleted by hand, or expired by a clock that was stepped too far; or, of a lock
	// that is held by a session, the session has ended, for a reason that the error names.
	ErrLeaseGone = keepalive.ErrLeaseGone

	// ErrFailedOver: the database failed over to a copy that lacks the grant.
	ErrFailedOver = keepalive.ErrFailedOver
)

// These errors can come from any call.
var (
	// ErrClosed: the client is closed or shutting down.
	ErrClosed = keepalive.ErrClosed

	// ErrUnavailable: the database did not answer, or answered with an error
	// that may pass.
	ErrUnavailable = errors.New("the database is not available")

	// ErrNotHeld: the lock is not held (any more) by the one who was named.
	ErrNotHeld = errors.New("not held")

	// ErrOutcomeUnknown: the call was sent and its result is not known. What
	// that means for the lock is said where the error is returned.
	ErrOutcomeUnknown = errors.New("outcome unknown")

	// ErrUnsupported: the store does not offer this.
	ErrUnsupported = driver.ErrUnsupported
)

// HeldError says who holds the lock that could not be had. It matches ErrHeld,
// and the context's error if that ended the wait.
type HeldError struct {
	Name   string
	Fence  uint64 // the holder's; 0 if it was not seen
	Holder Holder // as last seen; zero if it was not seen; the first, if there are several
	Cause  error  // what ended the wait; nil if there was none

	// Kept, if not 0, is how long the name still stayed taken when it was last seen,
	// though nobody held it: for the minimum hold of the grant under Fence.
	Kept time.Duration
}

func (e *HeldError) Error() string {
	s := fmt.Sprintf("leasehold: %q is held by %s", e.Name, e.Holder)
	if e.Kept > 0 {
		s = fmt.Sprintf("leasehold: %q stays taken for another %v, the minimum hold of its last holder", e.Name, e.Kept.Round(time.Millisecond))
	}
	if e.Cause != nil {
		s += ": the wait ended: " + e.Cause.Error()
	}
	return s
}

// Unwrap makes the error match ErrHeld and its Cause.
func (e *HeldError) Unwrap() []error { return compact(ErrHeld, e.Cause) }

// see notes who holds.
func (e *HeldError) see(l *driver.Lock, view driver.View) {
	e.Fence, e.Kept, e.Holder = l.Fence, l.Kept, Holder{}
	for g := range l.Grants() {
		e.Fence, e.Kept, e.Holder = g.Fence, 0, holderOf(g, view)
		return
	}
}

// ModeError says how a name is in use that was to be acquired in another way. Nothing
// was changed. It matches ErrMode.
type ModeError struct {
	Name  string
	Limit int // how many permits it is in use with; 0: it is in use as a lock
	Asked int // how many permits were asked for; 0: the lock was
}

func (e *ModeError) Error() string {
	way := func(n int) string {
		if n == 0 {
			return "as a lock"
		}
		return fmt.Sprintf("with %d permits", n)
	}
	return fmt.Sprintf("leasehold: %q is in use %s, not %s: use it in the same way everywhere; the way can change when nobody holds or awaits it",
		e.Name, way(e.Limit), way(e.Asked))
}

// Unwrap makes the error match ErrMode.
func (e *ModeError) Unwrap() error { return ErrMode }

// LostError says why a lock was lost. It matches ErrLost and its Reason.
type LostError struct {
	Name   string
	Fence  uint64
	Reason error // ErrExpired, a *RevokedError, ErrLeaseGone, ErrFailedOver or ErrClosed
}

func (e *LostError) Error() string {
	return fmt.Sprintf("leasehold: lock %q (fence %d) was lost: %v", e.Name, e.Fence, e.Reason)
}

// Unwrap makes the error match ErrLost and its Reason.
func (e *LostError) Unwrap() []error { return compact(ErrLost, e.Reason) }

// RevokedError says who revoked a lock, and why. It matches ErrRevoked.
type RevokedError = keepalive.RevokedError

// opError is what an operation on a name returns for everything else.
type opError struct {
	op, name string
	errs     []error // the first is the kind, the others the causes
}

func (e *opError) Error() string {
	what := e.op
	if e.name != "" {
		what = fmt.Sprintf("%s %q", e.op, e.name)
	}
	parts := []string{"leasehold", what}
	for _, err := range e.errs {
		parts = append(parts, err.Error())
	}
	return strings.Join(parts, ": ")
}

func (e *opError) Unwrap() []error { return e.errs }

func opErr(op, name string, errs ...error) error {
	return &opError{op: op, name: name, errs: compact(errs...)}
}

// compact drops nils.
func compact(errs ...error) []error {
	var out []error
	for _, err := range errs {
		if err != nil {
			out = append(out, err)
		}
	}
	return out
}

// ctxErr returns the error of a context that has ended, with its cause where that
// says more.
func ctxErr(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// String names the holder for people.
func (h Holder) String() string {
	if h.Fence, h.Mark = 0, nil; h == (Holder{}) {
		return "somebody else"
	}
	s := fmt.Sprintf("%q", h.Owner)
	if h.Host != "" {
		s += fmt.Sprintf(" on host %q", h.Host)
	}
	if h.PID != 0 {
		s += fmt.Sprintf(", pid %d", h.PID)
	}
	if !h.Since.IsZero() {
		s += fmt.Sprintf(", since %s (for %s)", h.Since.UTC().Format(time.RFC3339), h.Age.Round(time.Millisecond))
	}
	return s
}
