// Package remains looks at what is left in a database when all clients have ended.
package remains

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
)

// Read returns what is left, after a fresh client has tried to acquire every name, with the
// options that simply gives for it. ttl is that of all clients. It takes four times as long at the most, and what the
// reading takes.
func Read(ctx context.Context, db database.Database, names []string, simply func(string) []leasehold.Option, ttl time.Duration) (r check.Remains, err error) {
	if r.Stuck, err = stuck(ctx, db.Store(), names, simply, ttl); err != nil {
		return r, err
	}
	if r.Rows, err = taken(ctx, db.Store(), ttl); err != nil {
		return r, err
	}
	r.Taken = slices.Sorted(maps.Keys(r.Rows))
	if r.Counters, err = db.Counters(ctx); err != nil {
		return r, err
	}
	if r.Ledger, err = db.Ledger(ctx); err != nil {
		return r, err
	}
	r.Owners, err = db.Owners(ctx)
	return r, err
}

// stuck returns the names that a fresh client cannot have within twice the TTL
// and the tolerance, which is as long as the TTL here.
func stuck(ctx context.Context, store driver.Store, names []string, simply func(string) []leasehold.Option, ttl time.Duration) (stuck []string, err error) {
	limit, cancel := context.WithTimeout(ctx, 2*(ttl+ttl))
	defer cancel()
	c, err := leasehold.Open(limit, store, leasehold.Config{TTL: ttl, Owner: "fresh"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() {
			lock, err := c.Acquire(limit, name, simply(name)...)
			if err == nil {
				err = lock.Close()
			}
			errs[i] = err
		})
	}
	wg.Wait()
	for i, name := range names {
		if errs[i] != nil {
			stuck = append(stuck, name)
		}
	}
	return stuck, ctx.Err()
}

// taken returns the names whose row names a holder or a waiter, is kept, or has a limit, with
// what it says.
func taken(ctx context.Context, store driver.Store, ttl time.Duration) (map[string]string, error) {
	conn, err := store.Connect(ctx, driver.Settings{TTL: ttl})
	if err != nil {
		return nil, err
	}
	view, err := conn.Read(ctx, driver.Query{Limit: 10_000})
	if err := errors.Join(err, conn.Close()); err != nil {
		return nil, err
	}
	taken := map[string]string{}
	for _, l := range view.Locks {
		if l.Held() || len(l.Queue) > 0 || l.Kept > 0 || l.Limit != 0 {
			taken[l.Name] = describe(l, view)
		}
	}
	return taken, nil
}

// describe says who is in a row.
func describe(l driver.Lock, view driver.View) string {
	who := func(p driver.Place) string {
		lease, alive := view.Leases[p.Lease]
		if !alive {
			return fmt.Sprintf("lease %v, which is gone", p.Lease)
		}
		return fmt.Sprintf("lease %v of %s, beat %d, renewed %v ago", p.Lease, lease.Owner, lease.Beat, lease.Age)
	}
	parts := []string{"held by nobody"}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	for g := range l.Grants() {
		add("held for %v under fence %d by %s, marked: %t", g.Age, g.Fence, who(g.Place), g.Mark != nil)
	}
	if l.Held() {
		parts = parts[1:]
	}
	if l.Kept > 0 {
		add("kept for %v", l.Kept)
	}
	if l.Limit != 0 {
		add("with %d permits", l.Limit)
	}
	for _, p := range l.Queue {
		add("waiting: %s", who(p.Place))
	}
	return strings.Join(parts, "; ")
}
