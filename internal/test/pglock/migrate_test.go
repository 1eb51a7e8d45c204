package pglock_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/compat/pglock"
	"github.com/leaseholdgo/leasehold/postgres"
)

// job runs something under the lock of a name.
type job func(ctx context.Context, name string, work func(context.Context) error) error

// underOld is how a program runs that only knows the table of pglock.
func underOld(c *pglock.Client) job {
	return func(ctx context.Context, name string, work func(context.Context) error) error {
		return c.Do(ctx, name, func(ctx context.Context, _ *pglock.Lock) error { return work(ctx) })
	}
}

// underNew is how it runs in the end.
func underNew(c *leasehold.Client) job {
	return func(ctx context.Context, name string, work func(context.Context) error) error {
		return c.Do(ctx, name, func(ctx context.Context, _ *leasehold.Lock) error { return work(ctx) })
	}
}

// underBoth is how it runs in between: everybody who takes both takes the old one first.
func underBoth(old *pglock.Client, fresh *leasehold.Client) job {
	return func(ctx context.Context, name string, work func(context.Context) error) error {
		return underOld(old)(ctx, name, func(ctx context.Context) error {
			return underNew(fresh)(ctx, name, work)
		})
	}
}

// TestMigrationToNativeTables plays the steps of docs/migrating.md: at each of them, those
// who run the version before and those who run the one after exclude each other.
func TestMigrationToNativeTables(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "pgx")
	pool, err := pgxpool.New(t.Context(), db.url.String())
	must(t, err)
	t.Cleanup(pool.Close)
	native := func() *leasehold.Client {
		cfg := postgres.Config{Schema: db.url.Query().Get("search_path")}
		c, err := leasehold.Open(t.Context(), postgres.New(pool, cfg), leasehold.Config{TTL: longLease})
		must(t, err)
		t.Cleanup(func() { c.Close() })
		return c
	}
	steps := []struct {
		name          string
		before, after job
	}{
		{"the old lock, then both", underOld(db.client()), underBoth(db.client(), native())},
		{"both, then the native lock", underBoth(db.client(), native()), underNew(native())},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) { exclude(t, step.before, step.after) })
	}
}

// exclude runs two versions of a program at once for a while.
func exclude(t *testing.T, versions ...job) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var inside, done atomic.Int32
	var wg sync.WaitGroup
	for i, run := range versions {
		var turns int
		work := func(ctx context.Context) error {
			if inside.Add(1) > 1 && ctx.Err() == nil {
				t.Error("two hold the lock")
			}
			time.Sleep(5 * time.Millisecond)
			inside.Add(-1)
			if turns++; turns == 10 && int(done.Add(1)) == len(versions) {
				cancel()
			}
			return nil
		}
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := run(ctx, "a", work); err != nil && ctx.Err() == nil {
					t.Error(err)
					return
				}
				time.Sleep(10 * time.Millisecond) // the other one's turn
			}
			t.Logf("version %d: %d turns", i, turns)
			if turns < 10 {
				t.Errorf("version %d made little progress", i)
			}
		})
	}
	wg.Wait()
}
