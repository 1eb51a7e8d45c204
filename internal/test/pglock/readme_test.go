package pglock_test

import (
	"context"
	"database/sql"
	"log"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

// The examples of the original's README, as they stand there but for the import path, the
// connection string, and what they print.

func exampleAcquire(dsn string) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := pglock.New(db,
		pglock.WithLeaseDuration(3*time.Second),
		pglock.WithHeartbeatFrequency(1*time.Second),
	)
	if err != nil {
		return err
	}
	if err := c.CreateTable(); err != nil {
		return err
	}
	l, err := c.Acquire("lock-name")
	if err != nil {
		return err
	}
	defer l.Close()
	// execute the logic
	return nil
}

func exampleDo(dsn string, logic func(ctx context.Context, l *pglock.Lock) error) error {
	db, err := sql.Open("postgres", dsn)
	if err != nil {
		return err
	}
	defer db.Close()
	c, err := pglock.New(db,
		pglock.WithLeaseDuration(3*time.Second),
		pglock.WithHeartbeatFrequency(1*time.Second),
		//lint:ignore SA1019 the example has it
		pglock.WithLogger(log.Default()),
	)
	if err != nil {
		return err
	}
	if err := c.TryCreateTable(); err != nil {
		return err
	}
	return c.Do(context.Background(), "lock-name", logic)
}

func exampleData(dsn string) (string, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	c, err := pglock.New(db)
	if err != nil {
		return "", err
	}
	l, err := c.Acquire("cursor", pglock.WithData([]byte("42")), pglock.ReplaceData(), pglock.KeepOnRelease())
	if err != nil {
		return "", err
	}
	if err := l.Close(); err != nil {
		return "", err
	}
	data, err := c.GetData("cursor")
	return string(data), err
}

func TestReadmeExamples(t *testing.T) {
	t.Parallel()
	db := emptyDatabase(t, "postgres")
	must(t, exampleAcquire(db.url.String()))
	ran := false
	must(t, exampleDo(db.url.String(), func(ctx context.Context, l *pglock.Lock) error {
		ran = !l.IsReleased()
		return ctx.Err()
	}))
	if !ran {
		t.Error("the function did not run under the lock")
	}
	data, err := exampleData(db.url.String())
	if data != "42" || err != nil {
		t.Errorf("the data: %q, %v", data, err)
	}
	if n := db.rows(); n != 1 {
		t.Errorf("%d rows are left, instead of the one that was kept", n)
	}
}
