package distrlock_test

import (
	"context"
	"database/sql"
	"errors"
	"log"
	"os"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

// The documented uses of the original, apart from the import path.

func TestReadme_DoExclusively(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newPlace(t, d)
		done, err := doExclusively(t.Context(), p.db, d)
		must(t, err)
		if !done || !p.free("my-lock") {
			t.Errorf("done %v", done)
		}
	})
}

func doExclusively(ctx context.Context, db *sql.DB, dialect distrlock.Dialect) (done bool, err error) {
	createTable, err := distrlock.CreateTableSQL(dialect)
	if err != nil {
		return false, err
	}
	if _, err := db.ExecContext(ctx, createTable); err != nil {
		return false, err
	}
	err = distrlock.DoExclusively(ctx, db, dialect, "my-lock", func(ctx context.Context) error {
		done = true // the work, which ends when ctx does
		return ctx.Err()
	},
		distrlock.WithLockTTL(10*time.Second),
		distrlock.WithPeriodicExtendInterval(5*time.Second),
		distrlock.WithReleaseTimeout(3*time.Second),
		distrlock.WithLogger(logger{log.New(os.Stderr, "", 0)}),
	)
	if errors.Is(err, distrlock.ErrLockAlreadyAcquired) {
		return false, nil // another process is at it
	}
	return done, err
}

type logger struct{ *log.Logger }

func (l logger) Errorf(format string, args ...any) { l.Printf(format, args...) }

func TestReadme_ByHand(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		must(t, byHand(t.Context(), newPlace(t, d).db, d))
	})
}

func byHand(ctx context.Context, db *sql.DB, dialect distrlock.Dialect) (err error) {
	manager, err := distrlock.NewDBManager(dialect, distrlock.WithTableName("job_locks"))
	if err != nil {
		return err
	}
	for _, migration := range manager.Migrations() {
		for _, statement := range migration.UpSQL() {
			if _, err := db.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
	}
	lock, err := manager.NewLock(ctx, db, "my-lock")
	if err != nil {
		return err
	}
	if err := lock.Acquire(ctx, db, 10*time.Second); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release(ctx, db)) }()
	return lock.Extend(ctx, db) // in the middle of the work
}
