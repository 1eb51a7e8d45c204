package postgres

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// holdAs acquires a free name on terms.
func (c *client) holdAs(name string, terms driver.Terms) driver.Hold {
	c.t.Helper()
	r := c.trying(name)
	r.Terms = terms
	c.batch(r)
	c.wantHeld(r)
	return driver.Hold{Attempt: r.Attempt, Fence: r.reply.Lock.Fence, Conn: c.conn}
}

// One who shares a lock guards it. A writer's grant waits for that, and nothing else
// does: others share the lock, queue, cancel and are marked; they go only with the guard.
func TestGuardOfASharedLock(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	shared := driver.Terms{Mode: driver.Shared}
	g.hold = g.holder.holdAs("shared", shared)
	second := g.other.holdAs("shared", shared)
	tx := g.begin(pgx.ReadCommitted)
	g.guard(tx)
	ctx := t.Context()

	third := g.other.holdAs("shared", shared) // nobody waits: it is granted
	writer, late := g.other.queue("shared"), g.other.queue("shared")
	if got := g.other.release(late); got != driver.Cancelled {
		t.Errorf("cancelling under a guard: outcome %d", got)
	}
	if err := g.other.Revoke(ctx, "shared", second.Fence, driver.Mark{By: "op", Reason: "why"}); err != nil {
		t.Errorf("marking under a guard: %v", err)
	}
	if got, err := g.holder.Release(ctx, g.hold.Attempt); got != driver.Busy || err != nil {
		t.Errorf("Release of the guarded one: outcome %d, %v", got, err)
	}
	g.other.release(g.other.hold("another").Attempt)
	if row := g.other.row("shared"); !row.HeldBy(g.hold.Place()) || row.HeldBy(writer.Place()) {
		t.Errorf("row %+v", row)
	}
	g.commit(tx)
	for _, r := range []driver.Attempt{g.hold.Attempt, second.Attempt, third.Attempt} {
		if got := g.other.release(r); got != driver.Released {
			t.Errorf("outcome %d", got)
		}
	}
	if row := g.other.row("shared"); !row.HeldBy(writer.Place()) {
		t.Errorf("row %+v", row)
	}
}

// A guard of one who shares the lock checks the mark, the lease, and that it holds.
func TestGuardOfASharedLockThatIsLost(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	shared := driver.Terms{Mode: driver.Shared}
	marked, released, alive := g.other.holdAs("shared", shared), g.other.holdAs("shared", shared), g.other.holdAs("shared", shared)
	gone := g.holder.holdAs("shared", shared)
	if err := g.other.Revoke(t.Context(), "shared", marked.Fence, driver.Mark{By: "op", Reason: "why"}); err != nil {
		t.Fatal(err)
	}
	g.other.release(released.Attempt)
	if ended, err := g.other.EndLease(t.Context(), g.holder.lease.ID, driver.Grounds{Own: true}); !ended || err != nil {
		t.Fatal(ended, err)
	}
	stolen := alive
	stolen.Lease = g.holder.lease.ID
	for what, hold := range map[string]driver.Hold{"revoked": marked, "released": released, "lease gone": gone, "another's": stolen} {
		tx := g.begin(pgx.ReadCommitted)
		if err := guardHold(t.Context(), tx, hold); !errors.Is(err, leasehold.ErrNotHeld) {
			t.Errorf("%s: %v", what, err)
		}
		if err := tx.Rollback(t.Context()); err != nil { // the pool has few connections
			t.Fatal(err)
		}
	}
	if err := guardHold(t.Context(), g.begin(pgx.ReadCommitted), alive); err != nil {
		t.Error(err)
	}
}

// There is no guard of a permit: others may write beside it.
func TestGuardOfAPermit(t *testing.T) {
	t.Parallel()
	g := newGuarded(t)
	permit := g.holder.holdAs("permits", driver.Terms{Mode: driver.Permit, Limit: 2})
	if err := guardHold(t.Context(), g.begin(pgx.ReadCommitted), permit); !errors.Is(err, leasehold.ErrUnsupported) {
		t.Errorf("a guard of a permit: %v", err)
	}
	permit.Terms = driver.Terms{} // whatever the caller says of it, the row says what it is
	if err := guardHold(t.Context(), g.begin(pgx.ReadCommitted), permit); !errors.Is(err, leasehold.ErrNotHeld) {
		t.Errorf("a guard of a permit as of a lock: %v", err)
	}
}
