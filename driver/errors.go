package driver

import (
	"errors"
	"fmt"
	"time"
)

// ErrLeaseGone is returned by RenewLease and Acquire when the lease has no row
// (any more). Nothing was changed; the caller makes a new lease.
var ErrLeaseGone = errors.New("lease gone")

// ErrNotHeld is returned by Revoke when the name is not held under the fence
// given, and by SetData when it is not held by the attempt. Nothing was changed.
var ErrNotHeld = errors.New("not held")

// ErrUnsupported is returned, marked by Permanent, when the store cannot offer what is
// asked for. Nothing was changed.
var ErrUnsupported = errors.New("this store does not offer that")

// ModeError is returned by Acquire, marked by Permanent, when the name is in use in a way
// that the attempt's terms do not agree with. Nothing was changed. The attempt would agree
// once nobody uses the name any more.
type ModeError struct {
	// Limit is that of the permits that are in use; 0: the name is in use as a lock,
	// which one holds alone or many share.
	Limit int
}

func (e *ModeError) Error() string {
	if e.Limit == 0 {
		return "the name is in use as a lock, and not with permits"
	}
	return fmt.Sprintf("the name is in use with %d permits", e.Limit)
}

// TTLError is returned by Connect, marked by Permanent, when the client's TTL is above
// the cap that is stored with the store. By the same rule CreateLease makes no row.
type TTLError struct{ TTL, Cap time.Duration }

func (e *TTLError) Error() string {
	return fmt.Sprintf("the TTL %v is above the longest that this database is set to, %v", e.TTL, e.Cap)
}

// Permanent marks err as one that repeating the call cannot cure, so that the
// caller gets it at once. It returns nil for a nil err.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// IsPermanent reports whether err was marked by Permanent.
func IsPermanent(err error) bool {
	var p *permanentError
	return errors.As(err, &p)
}

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }
