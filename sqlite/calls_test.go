package sqlite

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	modernc "modernc.org/sqlite"

	"github.com/leaseholdgo/leasehold/driver"
)

func (c *client) acquisition(name string) *call {
	return &call{Attempt: c.attempt(name), caller: c.t.Context(), wait: true}
}

// together makes calls in one turn of the writer.
func (c *client) together(calls ...*call) {
	c.t.Helper()
	if again := c.run(c.t.Context(), calls); again != nil {
		c.t.Errorf("%d calls are to be made again", len(again))
	}
}

// TestCallsTogether: an error of one call is its own, and calls of one name are made in
// their order.
func TestCallsTogether(t *testing.T) {
	c := newClient(t, tempStore(t))
	c.acquireAs("shared", sharedTerms)
	held := c.hold("held").Attempt
	gone, permit, given := c.acquisition("gone"), c.acquisition("shared"), c.acquisition("given")
	gone.Lease, permit.Terms = driver.NewID(), permitTerms
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	given.caller = ctx
	granted, next := c.acquisition("a"), c.acquisition("held")
	released := &call{Attempt: held, caller: t.Context(), release: true}
	c.together(gone, permit, given, granted, released, next)

	var mode *driver.ModeError
	if !errors.Is(gone.err, driver.ErrLeaseGone) || !errors.As(permit.err, &mode) || !errors.Is(given.err, context.Canceled) {
		t.Errorf("errors %v, %v, %v", gone.err, permit.err, given.err)
	}
	for _, r := range []*call{granted, next} {
		if r.err != nil || !r.reply.Lock.HeldBy(r.Place()) || c.row(r.Name).Fence != r.reply.Lock.Fence {
			t.Errorf("%q: reply %+v, %v", r.Name, r.reply, r.err)
		}
	}
	if released.outcome != driver.Released || released.err != nil {
		t.Errorf("release: %v, %v", released.outcome, released.err)
	}
	for _, name := range []string{"gone", "given"} {
		if locks := c.view(name).Locks; len(locks) != 0 {
			t.Errorf("%q was written: %+v", name, locks)
		}
	}
}

// TestCallThatBreaksATransaction: the file refuses to store one of several calls, which
// fails alone.
func TestCallThatBreaksATransaction(t *testing.T) {
	c := newClient(t, tempStore(t))
	if _, err := openUser(t, c.path).Exec(`
		CREATE TRIGGER picky BEFORE INSERT ON leasehold_lock WHEN new.name = CAST('bad' AS BLOB)
		BEGIN SELECT raise(ROLLBACK, 'refused'); END`); err != nil {
		t.Fatal(err)
	}
	calls := []*call{c.acquisition("a"), c.acquisition("bad"), c.acquisition("b")}
	c.together(calls...)
	if err := calls[1].err; !driver.IsPermanent(err) || !strings.Contains(err.Error(), "cannot store") {
		t.Errorf("the call to blame: %v", err)
	}
	for _, r := range []*call{calls[0], calls[2]} {
		if row := c.row(r.Name); r.err != nil || !row.HeldBy(r.Place()) {
			t.Errorf("%q: %+v, %v", r.Name, row, r.err)
		}
	}
}

// stall is what the SQL function stall() does: it tells that it was entered, and waits until
// it may proceed.
type stall struct{ entered, proceed chan struct{} }

var (
	stalls       atomic.Pointer[stall] // of the test that runs
	registerOnce = sync.OnceFunc(func() {
		modernc.MustRegisterScalarFunction("stall", 0, func(*modernc.FunctionContext, []sqldriver.Value) (sqldriver.Value, error) {
			s := stalls.Load()
			close(s.entered)
			<-s.proceed
			return nil, nil
		})
	})
)

// TestStuckStatement: a call returns when its context ends, even if its statement does not.
// That takes effect before any later call does.
func TestStuckStatement(t *testing.T) {
	registerOnce()
	stall := &stall{make(chan struct{}), make(chan struct{})}
	stalls.Store(stall)
	c := newClient(t, tempStore(t))
	_, err := write(t.Context(), c.conn, func(tx *tx) (none struct{}, err error) {
		return none, tx.exec(`
			CREATE TEMP TRIGGER stuck BEFORE INSERT ON main.leasehold_lock WHEN new.name = CAST('a' AS BLOB)
			BEGIN SELECT stall(); END`)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-stall.entered; cancel() }()
	a := c.attempt("a")
	if _, err := c.Acquire(ctx, a, true); !errors.Is(err, context.Canceled) {
		t.Errorf("the stuck call returned %v", err)
	}
	released := make(chan driver.Outcome)
	go func() {
		outcome, err := c.Release(t.Context(), a)
		if err != nil {
			t.Error(err)
		}
		released <- outcome
	}()
	await(t, "the release waits", c.calls.Waiting)
	close(stall.proceed)
	if outcome := <-released; outcome != driver.Released {
		t.Errorf("outcome %v, want Released", outcome)
	}
}

// TestManyCallers: what comes while a transaction runs shares the next one, which has one
// instant, and each caller gets its own reply.
func TestManyCallers(t *testing.T) {
	const callers, cycles = 40, 10
	c := newClient(t, tempStore(t))
	instants := make(chan time.Time, callers*cycles)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			last := uint64(0)
			for range cycles {
				a := c.attempt(fmt.Sprint("name", i))
				reply, err := c.Acquire(t.Context(), a, true)
				if err != nil || reply.Lock.Fence <= last || !reply.Lock.HeldBy(a.Place()) {
					t.Errorf("reply %+v after fence %d, %v", reply, last, err)
					return
				}
				last = reply.Lock.Fence
				instants <- reply.Lock.Since
				if outcome, err := c.Release(t.Context(), a); outcome != driver.Released || err != nil {
					t.Errorf("release: %v, %v", outcome, err)
				}
			}
		})
	}
	wg.Wait()
	close(instants)
	granted, transactions := 0, map[time.Time]bool{}
	for at := range instants {
		granted++
		transactions[at] = true
	}
	if granted != callers*cycles || len(transactions) > granted/2 {
		t.Errorf("%d grants in %d transactions", granted, len(transactions))
	}
}
