package keepalive

import (
	"errors"
	"fmt"
)

// Why a lease, or a lock under it, was lost.
var (
	ErrExpired    = errors.New("the lease could not be renewed before its trust deadline")
	ErrLeaseGone  = errors.New("the lease, or the grant under it, is gone from the database")
	ErrFailedOver = errors.New("the database failed over and does not have the grant")
	ErrRevoked    = errors.New("revoked")
	ErrClosed     = errors.New("the client is closed")
)

// ErrStale: a grant must be seen once more before it is believed in.
var ErrStale = errors.New("the rows were read again since the grant was asked for")

// errIdle ends a lease that nothing uses.
var errIdle = errors.New("the lease is not used")

// RevokedError says who revoked a lock, and why. It matches ErrRevoked.
type RevokedError struct {
	By     string // the revoker's owner
	Reason string
}

func (e *RevokedError) Error() string {
	return fmt.Sprintf("revoked by %q: %q", e.By, e.Reason)
}

// Is reports whether target is ErrRevoked.
func (e *RevokedError) Is(target error) bool { return target == ErrRevoked }

// goneError is ErrLeaseGone with what the store says of it.
type goneError struct{ err error }

func (e *goneError) Error() string   { return fmt.Sprintf("%v: %v", ErrLeaseGone, e.err) }
func (e *goneError) Unwrap() []error { return []error{ErrLeaseGone, e.err} }
