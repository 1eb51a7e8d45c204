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
// given. Nothing was changed.
var ErrNotHeld = errors.New("not held")

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
