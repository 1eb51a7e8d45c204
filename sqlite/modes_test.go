package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

var (
	sharedTerms = driver.Terms{Mode: driver.Shared}
	permitTerms = driver.Terms{Mode: driver.Permit, Limit: 2}
)

// acquireAs makes an attempt on these terms, which holds or waits then.
func (c *client) acquireAs(name string, terms driver.Terms) driver.Hold {
	c.t.Helper()
	a := c.attempt(name)
	a.Terms = terms
	reply, err := c.Acquire(c.t.Context(), a, true)
	if err != nil {
		c.t.Fatal(err)
	}
	grant, _ := reply.Lock.GrantOf(a.Place())
	return driver.Hold{Attempt: a, Fence: grant.Fence, Conn: c.conn}
}

// TestGuardShared: who shares a lock can guard it, until it is revoked or taken over; a
// permit cannot be guarded.
func TestGuardShared(t *testing.T) {
	store := tempStore(t)
	one, other := newClient(t, store), newClient(t, store)
	db := ledger(t, one.path)
	first, second := one.acquireAs("a", sharedTerms), other.acquireAs("a", sharedTerms)
	waits := other.acquireAs("a", driver.Terms{})
	for _, hold := range []driver.Hold{first, second} {
		if err := writeGuarded(t, db, hold, "shared"); err != nil {
			t.Errorf("guard of a lock that is shared: %v", err)
		}
	}
	forged := first
	forged.Ticket = second.Ticket
	for _, hold := range []driver.Hold{waits, forged} {
		if err := writeGuarded(t, db, hold, "not held"); !errors.Is(err, driver.ErrNotHeld) {
			t.Errorf("guard by somebody who does not hold: %v, want ErrNotHeld", err)
		}
	}
	if err := other.Revoke(t.Context(), "a", first.Fence, driver.Mark{By: "op"}); err != nil {
		t.Fatal(err)
	}
	if err := writeGuarded(t, db, first, "revoked"); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("guard of a revoked one: %v, want ErrNotHeld", err)
	}
	if err := writeGuarded(t, db, second, "not revoked"); err != nil {
		t.Errorf("guard of the other one: %v", err)
	}
	other.endLease(other.lease, driver.Grounds{Own: true})
	if err := writeGuarded(t, db, second, "without a lease"); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("guard without a lease: %v, want ErrNotHeld", err)
	}
	permit := one.acquireAs("b", permitTerms)
	if err := writeGuarded(t, db, permit, "permit"); !errors.Is(err, driver.ErrUnsupported) {
		t.Errorf("guard of a permit: %v, want ErrUnsupported", err)
	}
	one.release(permit.Attempt)
	if err := writeGuarded(t, db, permit, "permit of before"); !errors.Is(err, driver.ErrNotHeld) {
		t.Errorf("guard of a permit given back: %v, want ErrNotHeld", err)
	}
	if n := entries(t, db); n != 3 {
		t.Errorf("%d entries, want 3", n)
	}
}

// TestDamagedCrowd: a row that breaks an invariant of shared locks, permits, minimum holds
// or data is reported, and is not touched.
func TestDamagedCrowd(t *testing.T) {
	for _, c := range []struct{ damage, what string }{
		{`crowd = '{'`, "the crowd"},
		{`crowd = '{"members":[{"lease":"1"}]}'`, "the crowd"},
		{`crowd = json_set(crowd, '$.members[1].fence', 1)`, "the members"},
		{`crowd = json_set(crowd, '$.members[1].fence', fence + 1)`, "the members"},
		{`crowd = json_set(crowd, '$.members[1].ticket', printf('%032d', 0))`, "the members"},
		{`crowd = json_set(crowd, '$.members[1].ticket', crowd ->> '$.members[0].ticket')`, "an attempt occurs twice"},
		{`crowd = json_set(crowd, '$.members[1].lease', crowd ->> '$.members[0].lease',
			'$.members[1].ticket', crowd ->> '$.members[0].ticket')`, "an attempt occurs twice"},
		{`holder_lease = substr(queue, 1, 16), holder_ticket = substr(queue, 17, 16), since = 1`, "the members"},
		{`crowd = json_set(crowd, '$.limit', 1)`, "the limit"},
		{`crowd = json_set(crowd, '$.limit', 20000)`, "the limit"},
		{`crowd = json_set(crowd, '$.limit', 2)`, "the terms"},
		{`crowd = json_set(crowd, '$.terms', json('[{"mode":7}]'))`, "the terms"},
		{`crowd = json_set(crowd, '$.terms', json('[{},{}]'))`, "the terms"},
		{`crowd = NULL`, "the queue"},
		{`kept_until = 5`, "the minimum hold"},
		{`keep_data = 1`, "the data"},
		{`crowd = NULL, queue = x'', data = x'00'`, "the data"},
	} {
		t.Run(c.damage, func(t *testing.T) {
			one := newClient(t, tempStore(t))
			hold := one.acquireAs("a", sharedTerms)
			one.acquireAs("a", sharedTerms)
			one.acquireAs("a", driver.Terms{})
			db := openUser(t, one.path)
			db.SetMaxOpenConns(1)
			if _, err := db.Exec(`PRAGMA ignore_check_constraints = 1`); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(`UPDATE leasehold_lock SET ` + c.damage); err != nil {
				t.Fatal(err)
			}
			before := dump(t, one)
			ctx := t.Context()
			_, acquired := one.Acquire(ctx, one.attempt("a"), true)
			_, released := one.Release(ctx, hold.Attempt)
			_, read := one.Read(ctx, driver.Query{Limit: 10})
			for call, err := range map[string]error{
				"Acquire":  acquired,
				"Release":  released,
				"Read":     read,
				"TakeOver": one.TakeOver(ctx, "a", []driver.ID{one.lease}, 0),
				"Revoke":   one.Revoke(ctx, "a", hold.Fence, driver.Mark{}),
				"SetData":  one.SetData(ctx, hold.Attempt, []byte("x"), true),
			} {
				if err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), `"a" is damaged (`+c.what) {
					t.Errorf("%s: %v", call, err)
				}
			}
			if after := dump(t, one); after != before {
				t.Errorf("the row was changed:\nbefore %s\nafter  %s", before, after)
			}
			one.hold("b") // the others go on
		})
	}
}

// TestCrowdsAreFoundByTheirIndex: a look for revoked members reads no plain row.
func TestCrowdsAreFoundByTheirIndex(t *testing.T) {
	c := newClient(t, tempStore(t))
	rows, err := openUser(t, c.path).Query(`EXPLAIN QUERY PLAN
		SELECT ` + columns + ` FROM leasehold_lock WHERE crowd IS NOT NULL AND instr(crowd, 'x') > 0`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var plan strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&plan, detail)
	}
	if err := rows.Err(); err != nil || !strings.Contains(plan.String(), "leasehold_lock_crowd") {
		t.Errorf("the plan is %q, %v", plan.String(), err)
	}
}

// TestFixedLeaseOfALivingProcess: it is taken over from by somebody who waits, in time.
func TestFixedLeaseOfALivingProcess(t *testing.T) {
	store := tempStore(t)
	conn := connectTTL(t, store, testTTL)
	fixed := &client{t, conn, driver.NewID()}
	const ttl = 300 * time.Millisecond
	if _, err := conn.CreateLease(t.Context(), driver.Lease{ID: fixed.lease, TTL: ttl, Fixed: true}); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := conn.RenewLease(t.Context(), fixed.lease); err != nil {
		t.Fatal(err)
	}
	fixed.hold("a")
	other, err := leasehold.Open(t.Context(), store, leasehold.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took < ttl {
		t.Errorf("taken over %v after the last renewal, the TTL is %v", took, ttl)
	}
	if _, err := conn.RenewLease(t.Context(), fixed.lease); !errors.Is(err, driver.ErrLeaseGone) {
		t.Errorf("renewal of a lease that was ended: %v, want ErrLeaseGone", err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}
