package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// streaming returns a client, and calls of names that have rows: as many as three batches of
// a stream. A trigger makes body of the row named "odd", which one of the second is about.
func streaming(t *testing.T, when, body string) (c *client, calls []*call) {
	t.Helper()
	pool, schema := testPool(t), testSchema(t)
	c = newClient(t, New(pool, Config{Schema: schema}))
	execSQL(t, pool, `INSERT INTO `+schema+`.lock (name, fence) SELECT 'name ' || n, 1 FROM generate_series(0, 97) AS n`)
	execSQL(t, pool, `INSERT INTO `+schema+`.lock (name, fence) VALUES ('odd', 1)`)
	execSQL(t, pool, fmt.Sprintf(`CREATE FUNCTION %[1]s.odd() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN %[2]s; RETURN NEW; END $$;
		CREATE %[3]s ON %[1]s.lock %[4]s FOR EACH ROW WHEN (NEW.name = 'odd' AND NEW.holder_ticket IS NOT NULL) EXECUTE FUNCTION %[1]s.odd()`,
		schema, body, when, map[bool]string{true: "DEFERRABLE INITIALLY DEFERRED"}[when == deferred]))
	for i := range 98 {
		calls = append(calls, c.trying(fmt.Sprint("name ", i)))
	}
	return c, slices.Insert(calls, odd, c.trying("odd"))
}

const odd = 50 // its place among the calls

const (
	before   = "TRIGGER odd BEFORE UPDATE"
	deferred = "CONSTRAINT TRIGGER odd AFTER UPDATE"
)

// clean fails where a release of each call leaves anything behind.
func (c *client) clean(calls []*call) {
	c.t.Helper()
	for _, r := range calls {
		outcome, err := c.Release(c.t.Context(), r.Attempt)
		for ; err == nil && outcome == driver.Busy; outcome, err = c.Release(c.t.Context(), r.Attempt) {
			time.Sleep(time.Millisecond)
		}
		if err != nil {
			c.t.Errorf("release of %q: %v", r.Name, err)
		}
	}
	if n := value[int](c.t, testPool(c.t), c.cfg.render(`SELECT count(*)::int FROM leasehold.lock WHERE holder_ticket IS NOT NULL AND name <> 'in progress'`)); n > 0 {
		c.t.Errorf("%d ghosts", n)
	}
}

// The callers of a batch are told while later ones are in progress.
func TestStreamTellsEarly(t *testing.T) {
	t.Parallel()
	c, calls := streaming(t, before, "PERFORM pg_sleep(1)")
	list := c.meanwhile(calls...)
	finish(t, list[0])
	select {
	case <-list[odd].done:
		t.Error("the first batch was told with the second")
	default:
	}
	finish(t, list...)
	c.wantHeld(calls...)
	c.clean(calls)
}

// A batch that the server refuses, at its commit at the latest, leaves the others alone,
// and of its own calls only that which is to blame fails.
func TestStreamWithABatchThatIsRefused(t *testing.T) {
	t.Parallel()
	c, calls := streaming(t, deferred, "RAISE EXCEPTION 'no'")
	finish(t, c.meanwhile(calls...)...)
	c.wantHeld(slices.Concat(calls[:odd], calls[odd+1:])...)
	if r := calls[odd]; r.err == nil || r.reply.Lock.Held() {
		t.Errorf("%+v, %v", r.reply.Lock, r.err)
	}
	c.clean(calls)
}

// The commit of a batch may not be durable: nobody is told that it is.
func TestStreamWithAWarning(t *testing.T) {
	t.Parallel()
	c, calls := streaming(t, before, "RAISE WARNING 'cancelled'")
	finish(t, c.meanwhile(calls...)...)
	if err := calls[odd].err; !errors.Is(err, errUnsure) {
		t.Error(err)
	}
	if err := calls[0].err; err != nil {
		t.Errorf("of the first batch: %v", err)
	}
	c.clean(calls)
}

// The server ends the session in the middle of a stream: the outcome of what was in flight
// is unknown, and nothing of it stays behind.
func TestStreamThatBreaks(t *testing.T) {
	t.Parallel()
	c, calls := streaming(t, before, "PERFORM pg_terminate_backend(pg_backend_pid())")
	finish(t, c.meanwhile(calls...)...)
	if err := calls[odd].err; err == nil || driver.IsPermanent(err) {
		t.Error(err)
	}
	for _, r := range calls {
		if row := c.row(r.Name); r.err == nil && !row.HeldBy(r.Place()) {
			t.Errorf("%q was granted, and lost: %+v", r.Name, row)
		}
	}
	c.clean(calls)
}

// Hand-overs between two clients with many names, whose sessions are ended now and then.
func TestStreamsExclude(t *testing.T) {
	t.Parallel()
	pool, store := testPool(t), New(testPool(t), Config{Schema: testSchema(t)})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	const names = 150
	var inside, fences [names]atomic.Uint64
	var wg sync.WaitGroup
	for range 2 {
		client := openClient(t, store, leasehold.Config{TTL: 30 * time.Second})
		for i := range names {
			wg.Go(func() {
				for ctx.Err() == nil {
					lock, err := client.Acquire(ctx, fmt.Sprint("name ", i))
					if err != nil {
						continue
					}
					if inside[i].Add(1) != 1 || lock.Fence() <= fences[i].Swap(lock.Fence()) {
						t.Errorf("name %d: two holders, or a fence that fell to %d", i, lock.Fence())
					}
					inside[i].Add(^uint64(0))
					_ = lock.Close()
				}
			})
		}
	}
	for ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond)
		execSQL(t, pool, `SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity
			WHERE query LIKE '%`+store.cfg.Schema+`%' AND pid <> pg_backend_pid() OFFSET `+fmt.Sprint(rand.IntN(4))+` LIMIT 1) AS one`)
	}
	wg.Wait()
	for i := range names {
		if fences[i].Load() == 0 {
			t.Errorf("name %d was never held", i)
		}
	}
}
