package advisory_test

import (
	"context"
	"database/sql"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// What the original exports, with its types: this compiles, or a program that uses it does
// not.
var (
	_ func(context.Context, int64, *sql.DB) (*pglock.Lock, error) = pglock.New
	_ func(string) int64                                          = pglock.Hash

	_ interface {
		Lock(context.Context) error
		RLock(context.Context) error
		TryLock(context.Context) (bool, error)
		TryRLock(context.Context) (bool, error)
		Unlock(context.Context) error
		RUnlock(context.Context) error
		Close() error
	} = (*pglock.Lock)(nil)
)
