package leasehold_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// stub is a store in which every lock is free: what a cycle costs on it is what the
// client burns. With a delay, calls are answered together, as from a database that
// makes one commit of what arrives during the last: all calls that arrive within one
// delay of the first.
type stub struct{ delay time.Duration }

func (s stub) Connect(context.Context, driver.Settings) (driver.Conn, error) {
	return &stubConn{delay: s.delay}, nil
}

type stubConn struct {
	delay time.Duration
	fence atomic.Uint64

	mu    sync.Mutex // guards batch
	batch chan struct{}
}

// answer waits until the batch that the call is in is answered.
func (c *stubConn) answer(ctx context.Context) error {
	if c.delay == 0 {
		return nil
	}
	c.mu.Lock()
	if c.batch == nil {
		done := make(chan struct{})
		c.batch = done
		time.AfterFunc(c.delay, func() {
			c.mu.Lock()
			c.batch = nil
			c.mu.Unlock()
			close(done)
		})
	}
	batch := c.batch
	c.mu.Unlock()
	select {
	case <-batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *stubConn) CreateLease(context.Context, driver.Lease) (driver.Renewal, error) {
	return driver.Renewal{Epoch: 1}, nil
}

func (c *stubConn) RenewLease(context.Context, driver.ID) (driver.Renewal, error) {
	return driver.Renewal{Epoch: 1}, nil
}

func (c *stubConn) EndLease(context.Context, driver.ID, driver.Grounds) (bool, error) {
	return true, nil
}

func (c *stubConn) Acquire(ctx context.Context, a driver.Attempt, _ bool) (driver.Reply, error) {
	if err := c.answer(ctx); err != nil {
		return driver.Reply{}, err
	}
	return driver.Reply{Lock: driver.Lock{Name: a.Name, Fence: c.fence.Add(1), Holder: a.Place()}, Epoch: 1}, nil
}

func (c *stubConn) Release(ctx context.Context, _ driver.Attempt) (driver.Outcome, error) {
	return driver.Released, c.answer(ctx)
}

func (c *stubConn) TakeOver(context.Context, string, []driver.ID, uint64) error { return nil }

func (c *stubConn) Revoke(context.Context, string, uint64, driver.Mark) error {
	return errors.ErrUnsupported
}

func (c *stubConn) Read(context.Context, driver.Query) (driver.View, error) {
	return driver.View{Epoch: 1}, nil
}

func (c *stubConn) Close() error { return nil }
