package leasehold

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// AcquireAll acquires the locks of all names, each as Acquire does with the same options,
// and returns them in the order of names. The caller closes each.
//
// On an error none is held, and what was acquired has been released or, if the database
// does not answer, is being. A name that occurs twice is an error that matches
// ErrInvalid. An error that matches ErrLost: one was lost while others were waited for.
//
// It takes the names one by one in byte order, so any number of AcquireAlls never
// deadlock among themselves. Holding a lock while waiting for another, by
// AcquireAll or else, still can; ctx bounds it.
//
// It costs what the single acquisitions cost, one after the other.
func (c *Client) AcquireAll(ctx context.Context, names []string, opts ...Option) ([]*Lock, error) {
	order := slices.Sorted(slices.Values(names))
	for i, name := range order {
		if err := CheckName(name); err != nil {
			return nil, opErr("acquire all", "", err)
		}
		if i > 0 && name == order[i-1] {
			return nil, opErr("acquire all", name, fmt.Errorf("%w names: it occurs twice", ErrInvalid))
		}
	}
	locks := make(map[string]*Lock, len(names))
	if err := c.acquireEach(ctx, order, locks, opts); err != nil {
		closeAll(locks)
		return nil, err
	}
	all := make([]*Lock, 0, len(names))
	for _, name := range names {
		all = append(all, locks[name])
	}
	return all, nil
}

// acquireEach puts the locks of names into locks, one after the other. It ends early if
// one of them is lost.
func (c *Client) acquireEach(ctx context.Context, names []string, locks map[string]*Lock, opts []Option) error {
	bound := ctx
	for i, name := range names {
		lock, err := c.Acquire(bound, name, opts...)
		if err != nil {
			return err
		}
		locks[name] = lock
		if i < len(names)-1 {
			var stop context.CancelFunc
			bound, stop = lock.Bind(bound)
			defer stop()
		}
	}
	for _, lock := range locks {
		if err := lock.restore(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restore makes sure that the lock is still held, and for the whole of its TTL if that is
// fixed.
func (l *Lock) restore(ctx context.Context) error {
	if l.fixed {
		return l.Extend(ctx)
	}
	return l.lost()
}

// closeAll closes the locks, all at the same time.
func closeAll(locks map[string]*Lock) {
	var wg sync.WaitGroup
	for _, lock := range locks {
		wg.Go(func() { _ = lock.Close() }) // what cannot be released expires
	}
	wg.Wait()
}
