package pglock

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/leaseholdgo/leasehold/internal/reply"
)

var (
	// ErrNotPostgreSQLDriver is returned by New for a nil pool, and for one whose driver is
	// neither lib/pq nor pgx.
	ErrNotPostgreSQLDriver = errors.New("this is not a PostgreSQL connection")

	// ErrNotAcquired: the lock is held by another, or the context ended while it was waited
	// for. The error matches the context's then too. Nothing of the attempt is held.
	ErrNotAcquired = errors.New("cannot acquire lock")

	// ErrLockAlreadyReleased: the lock was released before, or lost.
	ErrLockAlreadyReleased = errors.New("lock is already released")

	// ErrLockNotFound: the table has no row for the name. It is a *NotExistError.
	ErrLockNotFound = &NotExistError{errors.New("not found")}

	// ErrDurationTooSmall is returned by New when the lease is shorter than two heartbeats,
	// or than 100 ms.
	ErrDurationTooSmall = errors.New("lease duration is too small")
)

// NotExistError: what was asked for is not there.
type NotExistError struct{ err error }

func (e *NotExistError) Error() string { return "not exists: " + e.err.Error() }

// Unwrap returns the cause.
func (e *NotExistError) Unwrap() error { return e.err }

// UnavailableError: the database could not be reached, or did not answer.
type UnavailableError struct{ err error }

func (e *UnavailableError) Error() string { return "unavailable: " + e.err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.err }

// FailedPreconditionError: the server could not serialize the statement with others
// (SQLSTATE 40001), again and again.
type FailedPreconditionError struct{ err error }

func (e *FailedPreconditionError) Error() string { return "failed precondition: " + e.err.Error() }

// Unwrap returns the cause.
func (e *FailedPreconditionError) Unwrap() error { return e.err }

// OtherError: anything else that the server or the driver refused.
type OtherError struct{ err error }

func (e *OtherError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *OtherError) Unwrap() error { return e.err }

// typed wraps an error of the database by its kind.
func typed(what string, err error) error {
	if err == nil {
		return nil
	}
	err = fmt.Errorf("pglock: %s: %w", what, err)
	state := reply.State(err)
	var network net.Error
	switch {
	case state == "40001":
		return &FailedPreconditionError{err}
	case errors.As(err, &network), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		errors.Is(err, sqldriver.ErrBadConn), errors.Is(err, context.DeadlineExceeded),
		len(state) == 5 && (state[:2] == "08" || state[:3] == "57P"):
		return &UnavailableError{err}
	default:
		return &OtherError{err}
	}
}
