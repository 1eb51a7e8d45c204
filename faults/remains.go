package main

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/client"
)

// remains reads what is in the database now that all clients have ended, after a
// fresh client has tried to acquire every name.
func (t *trial) remains(ctx context.Context) (r check.Remains, err error) {
	if r.Stuck, err = t.stuck(ctx, client.Names(hot, t.clients)); err != nil {
		return r, err
	}
	if r.Taken, err = t.taken(ctx); err != nil {
		return r, err
	}
	if r.Counters, err = t.database.Counters(ctx); err != nil {
		return r, err
	}
	if r.Ledger, err = t.database.Ledger(ctx); err != nil {
		return r, err
	}
	r.Owners, err = t.database.Owners(ctx)
	return r, err
}

// stuck returns the names that a fresh client cannot have within twice the TTL
// and the tolerance, which is as long as the TTL here.
func (t *trial) stuck(ctx context.Context, names []string) (stuck []string, err error) {
	limit, cancel := context.WithTimeout(ctx, 2*(t.ttl+t.ttl))
	defer cancel()
	c, err := leasehold.Open(limit, t.database.Store(), leasehold.Config{TTL: t.ttl, Owner: "fresh"})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	var wg sync.WaitGroup
	errs := make([]error, len(names))
	for i, name := range names {
		wg.Go(func() {
			lock, err := c.Acquire(limit, name)
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

// taken returns the names whose row names a holder or a waiter.
func (t *trial) taken(ctx context.Context) ([]string, error) {
	conn, err := t.database.Store().Connect(ctx, driver.Settings{TTL: t.ttl})
	if err != nil {
		return nil, err
	}
	view, err := conn.Read(ctx, driver.Query{Limit: 10_000})
	if err := errors.Join(err, conn.Close()); err != nil {
		return nil, err
	}
	var taken []string
	for l := range slices.Values(view.Locks) {
		if l.Held() || len(l.Queue) > 0 {
			taken = append(taken, l.Name)
		}
	}
	return taken, nil
}
