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

// Use is how a name is acquired so that nobody can hold it beside: so many times at once.
type Use struct {
	Times   int
	Options []leasehold.Option
}

// Read returns what is left, after a fresh client has tried to acquire every name so that
// nobody holds it beside. ttl is that of all clients. It takes four times as long at the most, and what the
// reading takes.
func Read(ctx context.Context, db database.Database, names map[string]Use, ttl time.Duration) (r check.Remains, err error) {
	if r.Stuck, err = stuck(ctx, db.Store(), names, ttl); err != nil {
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
func stuck(ctx context.Context, store driver.Store, names map[string]Use, ttl time.Duration) (stuck []string, err error) {
	limit, cancel := context.WithTimeout(ctx, 2*(ttl+ttl))
	defer cancel()
	c, err := leasehold.Open(limit, store, leasehold.Config{TTL: ttl, Owner: "fresh"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, use := range names {
		wg.Go(func() {
			if err := use.exhaust(limit, c, name); err != nil {
				mu.Lock()
				defer mu.Unlock()
				stuck = append(stuck, name)
			}
		})
	}
	wg.Wait()
	slices.Sort(stuck)
	return stuck, ctx.Err()
}

// exhaust acquires the name as often as it can be held at once, and then releases it.
func (u Use) exhaust(ctx context.Context, c *leasehold.Client, name string) (err error) {
	for range u.Times {
		lock, failed := c.Acquire(ctx, name, u.Options...)
		if failed != nil {
			return errors.Join(err, failed)
		}
		defer func() { err = errors.Join(err, lock.Close()) }()
	}
	return nil
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
