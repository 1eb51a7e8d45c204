package leasehold

import (
	"context"
	"errors"
	"sync"
)

// Shutdown accepts no more acquisitions (those that wait get ErrClosed), waits until
// every lock has been closed by its user, and then closes the client. If ctx
// ends first it closes all the same, and returns ctx's error: the locks still held
// then are released under their users' hands, whose contexts end.
func (c *Client) Shutdown(ctx context.Context) error {
	empty := c.drain()
	var err error
	select {
	case <-empty:
	default:
		select {
		case <-empty:
		case <-ctx.Done():
			err = opErr("shutdown", "", ctxErr(ctx))
		}
	}
	return errors.Join(err, c.Close())
}

// Close ends everything at once: those that wait get ErrClosed, the contexts of
// held locks end with a cause that matches ErrClosed, the locks are released, the
// lease is deleted, and what the client opened is closed. It takes as long as the
// TTL at the most: what could not be released by then expires. It does not wait
// for code that still uses a lock; Shutdown does. Idempotent.
func (c *Client) Close() error {
	c.drain()
	c.mu.Lock()
	c.close() // under mu: no task begins after this that Close does not wait for
	c.mu.Unlock()
	c.waits.wakeAll()
	limit, cancel := context.WithTimeout(context.Background(), c.cfg.TTL)
	defer cancel()
	c.dropAll(limit)
	c.keeper.Close(limit)
	c.limit.end()
	err := c.conn.Close()
	if err != nil {
		return opErr("close", "", err)
	}
	return nil
}

// dropAll releases every lock, and waits for that and all else in progress.
func (c *Client) dropAll(limit context.Context) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		var wg sync.WaitGroup
		for _, l := range c.locks() {
			wg.Go(func() { l.loseToClose(limit) })
		}
		wg.Wait()
		c.tasks.Wait()
	}()
	select {
	case <-done:
	case <-limit.Done():
	}
}

// loseToClose ends the lock as lost to Close, and releases it.
func (l *Lock) loseToClose(limit context.Context) {
	if there, _ := l.lease.Remove(l.holding()); there {
		l.lose(ErrClosed)
	}
	_ = l.Release(limit) // what cannot be released expires
}

// drain stops acquisitions, and returns a channel that is closed when no lock is
// in hand.
func (c *Client) drain() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.empty == nil {
		c.empty = make(chan struct{})
		if len(c.held) == 0 {
			close(c.empty)
		}
	}
	return c.empty
}

// keep notes a lock in hand, unless the client has begun to close.
func (c *Client) keep(l *Lock) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing.Err() != nil {
		return false
	}
	c.held[l] = struct{}{}
	return true
}

// forget drops a lock that is let go of.
func (c *Client) forget(l *Lock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.forgetLocked(l)
}

func (c *Client) forgetLocked(l *Lock) {
	if _, ok := c.held[l]; !ok {
		return
	}
	delete(c.held, l)
	if c.empty != nil && len(c.held) == 0 {
		close(c.empty)
	}
}

// holds reports whether a lock is in hand.
func (c *Client) holds() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held) > 0
}

func (c *Client) locks() []*Lock {
	c.mu.Lock()
	defer c.mu.Unlock()
	locks := make([]*Lock, 0, len(c.held))
	for l := range c.held {
		locks = append(locks, l)
	}
	return locks
}
