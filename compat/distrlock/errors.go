package distrlock

import (
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

var (
	// ErrLockAlreadyAcquired is returned by Acquire and DoExclusively: somebody else holds
	// the lock.
	ErrLockAlreadyAcquired = errors.New("distrlock: lock is already acquired")

	// ErrLockAlreadyReleased is returned by Extend and Release: the lock is not held under this token.
	// It was released, its lease is over, or it never was acquired.
	ErrLockAlreadyReleased = errors.New("distrlock: lock is already released")

	// ErrNoRow is returned by Acquire: the table has no row for the key. NewLock makes it.
	// On MySQL it may also be that the table's collation takes the key for another one.
	ErrNoRow = errors.New("distrlock: the table has no row for this key: call NewLock, which makes it")
)

// errExpired is the cause when the lease could not be extended in time. It matches leasehold.ErrExpired.
func errExpired(key string) error {
	return fmt.Errorf("distrlock: lock %q was lost: %w", key, keepalive.ErrExpired)
}

// errGone is the cause when the row names another token, or none. It matches
// leasehold.ErrLeaseGone and ErrLockAlreadyReleased.
func errGone(key string) error {
	return fmt.Errorf("distrlock: lock %q was lost: %w: %w", key, keepalive.ErrLeaseGone, ErrLockAlreadyReleased)
}
