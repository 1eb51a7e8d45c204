package pglock

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// Lock is a lock in hand; or, from [Client.Get], the row of one that is not. It is safe for
// concurrent use. Its user closes it.
type Lock struct {
	client *Client
	lock   *leasehold.Lock // nil: it was only read
	owner  string
	free   bool // it was read, and nobody held it

	mu      sync.Mutex // guards the fields below
	data    []byte
	version int64
	let     bool // it is, or was, let go of
}

// Data returns the data that was stored with the lock when it was acquired or read.
func (l *Lock) Data() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.data)
}

// Owner returns the owner that the lock is marked with.
func (l *Lock) Owner() string { return l.owner }

// IsReleased reports whether the lock is not held any more: it was released or lost, or its
// trust deadline has passed. Of a lock that was read: whether nobody held it. No I/O.
func (l *Lock) IsReleased() bool {
	switch {
	case l == nil:
		return true
	case l.lock == nil:
		return l.free
	default:
		return !l.lock.Held()
	}
}

// RecordVersionNumber returns the number that the row of the lock has, and that each
// heartbeat changes; or had last. No I/O.
func (l *Lock) RecordVersionNumber() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lock != nil {
		if version, _, ok := l.client.table.Held(l.lock.Hold().Attempt); ok {
			l.version = version
		}
	}
	return l.version
}

// Context returns a context that ends when the lock is released or lost, and at its trust
// deadline at the latest; context.Cause tells why. Nil for a lock that was only read. The
// original has nothing like it.
func (l *Lock) Context() context.Context {
	if l.lock == nil {
		return nil
	}
	return l.lock.Context()
}

// Close is [Client.Release].
//
// Close of a nil Lock, as a failed acquisition returns, is ErrLockAlreadyReleased.
func (l *Lock) Close() error {
	if l == nil {
		return ErrLockAlreadyReleased
	}
	return l.client.Release(l)
}

// Release gives the lock up: its context ends at once, then the row is deleted, or kept
// free. It takes as long as the trust in the lock lasts at the most; what could not be
// freed by then is freed in the background, or else taken over like that of a dead
// holder.
//
// ErrLockAlreadyReleased: it was released before, or lost, or only read. Nothing of
// others' is touched.
func (c *Client) Release(l *Lock) error {
	return c.release(l, (*leasehold.Lock).Close)
}

// ReleaseContext is Release whose wait ctx bounds. The release goes on in the background
// when ctx has ended.
func (c *Client) ReleaseContext(ctx context.Context, l *Lock) error {
	return c.release(l, func(lock *leasehold.Lock) error { return lock.Release(ctx) })
}

func (c *Client) release(l *Lock, release func(*leasehold.Lock) error) error {
	if l == nil || l.lock == nil || !l.letGo() {
		return ErrLockAlreadyReleased
	}
	err := release(l.lock)
	if errors.Is(err, leasehold.ErrLost) {
		return ErrLockAlreadyReleased
	}
	return typed("release", err)
}

// letGo reports whether the lock is let go of for the first time.
func (l *Lock) letGo() bool {
	l.RecordVersionNumber() // the last that is known
	l.mu.Lock()
	defer l.mu.Unlock()
	first := !l.let
	l.let = true
	return first
}

// endAfter ends the lock a lease duration after ctx has ended. Until then nothing changes:
// who relied on heartbeats that end with a context finds the name free at the same time
// as ever.
func (l *Lock) endAfter(ctx context.Context) {
	held := l.lock.Context()
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(l.client.cfg.lease)
		defer timer.Stop()
		select {
		case <-timer.C:
			_ = l.lock.Close() // there is nobody to tell; the row expires if this fails
		case <-held.Done():
		}
	})
	context.AfterFunc(held, func() { stop() })
}
