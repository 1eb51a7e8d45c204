package advisory_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold/compat/advisory/pglock"
)

// The documented use of the original, apart from the import path.
func TestReadme(t *testing.T) {
	on(t, func(t *testing.T, driver string) {
		db := open(t, driver)
		done := 0
		work := func() error { done++; return nil }
		must(t, alone(t.Context(), db, work))
		must(t, atOnce(t.Context(), db, work))
		if done != 2 {
			t.Errorf("the work was done %d times", done)
		}
		await(t, "all is free", func() bool { return locks(t, db, pglock.Hash("reports"), true) == 0 })
	})
}

func alone(ctx context.Context, db *sql.DB, work func() error) (err error) {
	lock, err := pglock.New(ctx, pglock.Hash("reports"), db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	if err := lock.Lock(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Unlock(ctx)) }()
	return work()
}

func atOnce(ctx context.Context, db *sql.DB, work func() error) (err error) {
	lock, err := pglock.New(ctx, pglock.Hash("reports shared"), db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	ok, err := lock.TryRLock(ctx)
	if err != nil || !ok {
		return err // nil: a writer is at it
	}
	defer func() { err = errors.Join(err, lock.RUnlock(ctx)) }()
	return work()
}
