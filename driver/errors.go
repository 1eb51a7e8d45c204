package driver

import "errors"

// ErrLeaseGone is returned by RenewLease and Acquire when the lease has no row
// (any more). Nothing was changed; the caller makes a new lease.
var ErrLeaseGone = errors.New("lease gone")

// ErrNotHeld is returned by Revoke when the name is not held under the fence
// given. Nothing was changed.
var ErrNotHeld = errors.New("not held")

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
