// Package side holds the sides of the comparisons: Leasehold, the libraries and habits
// it is compared with, and the floors, which are the least that the database can do.
package side

import "context"

// Side is one way to lock. It is safe for concurrent use.
type Side interface {
	// Acquire waits until it has the lock of name. The function returned
	// releases it, and returns when that is done.
	Acquire(ctx context.Context, name string) (release func(context.Context) error, err error)
	Close() error
}
