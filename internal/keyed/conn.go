package keyed

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Conn is one client's access to a Table.
type Conn struct {
	table  *Table
	closed chan struct{}
	once   sync.Once
}

var (
	_ driver.Conn     = (*Conn)(nil)
	_ driver.Starter  = (*Conn)(nil)
	_ driver.Listener = (*Conn)(nil)
	_ driver.Watcher  = (*Conn)(nil)
)

// ready returns why a call cannot be made, or nil.
func (c *Conn) ready(ctx context.Context) error {
	select {
	case <-c.closed:
		return errClosed
	default:
		return ctx.Err()
	}
}

// CreateLease implements driver.Conn.
func (c *Conn) CreateLease(ctx context.Context, l driver.Lease) (driver.Renewal, error) {
	if err := c.ready(ctx); err != nil {
		return driver.Renewal{}, err
	}
	return c.table.createLease(ctx, l)
}

// RenewLease implements driver.Conn.
func (c *Conn) RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	if err := c.ready(ctx); err != nil {
		return driver.Renewal{}, err
	}
	return c.table.renewLease(ctx, id)
}

// Watch implements driver.Watcher.
func (c *Conn) Watch(ctx context.Context, id driver.ID) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	return c.table.watch(ctx, id)
}

// EndLease implements driver.Conn.
func (c *Conn) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	if err := c.ready(ctx); err != nil {
		return false, err
	}
	return c.table.endLease(id, grounds), nil
}

// Acquire implements driver.Conn.
func (c *Conn) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	call, err := c.acquisition(ctx, a, wait)
	if err == nil {
		err = c.table.do(ctx, c.closed, call)
	}
	return call.reply(err)
}

// StartAcquire implements driver.Starter.
func (c *Conn) StartAcquire(ctx context.Context, a driver.Attempt, wait bool, done func(driver.Reply, error)) {
	call, err := c.acquisition(ctx, a, wait)
	if err != nil {
		go done(driver.Reply{}, err)
		return
	}
	call.ctx = ctx
	call.finish = func() { done(call.reply(call.result())) }
	c.table.submit(call)
}

// acquisition returns the call that asks for the lock.
func (c *Conn) acquisition(ctx context.Context, a driver.Attempt, wait bool) (*call, error) {
	switch err := c.ready(ctx); {
	case err != nil:
		return nil, err
	case a.Terms.Mode == driver.Permit:
		return nil, driver.Permanent(fmt.Errorf("permits: %w", driver.ErrUnsupported))
	case a.Terms.Mode == driver.Shared && c.table.cfg.NoShared:
		return nil, driver.Permanent(fmt.Errorf("a shared lock: %w", driver.ErrUnsupported))
	case a.Terms.MinHold != 0:
		return nil, driver.Permanent(fmt.Errorf("a minimum hold: %w", driver.ErrUnsupported))
	}
	return &call{kind: acquire, attempt: a, wait: wait}, nil
}

// reply returns the reply to an acquisition that ended with err.
func (c *call) reply(err error) (driver.Reply, error) {
	if err != nil {
		return driver.Reply{}, err
	}
	return driver.Reply{Lock: snapshot(&c.lock), Epoch: epoch}, nil
}

// result returns the error with which the call ended. Nothing else of a call that was
// over too late may be looked at.
func (c *call) result() error {
	if c.late != nil {
		return c.late
	}
	return c.err
}

// Release implements driver.Conn.
func (c *Conn) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	if err := c.ready(ctx); err != nil {
		return driver.Absent, err
	}
	call := &call{kind: release, attempt: a}
	return call.end(c.table.do(ctx, c.closed, call))
}

// StartRelease implements driver.Starter.
func (c *Conn) StartRelease(ctx context.Context, a driver.Attempt, done func(driver.Outcome, error)) {
	if err := c.ready(ctx); err != nil {
		go done(driver.Absent, err)
		return
	}
	call := &call{kind: release, attempt: a, ctx: ctx}
	call.finish = func() { done(call.end(call.result())) }
	c.table.submit(call)
}

// end returns the result of a release that ended with err.
func (c *call) end(err error) (driver.Outcome, error) {
	if err != nil {
		return driver.Absent, err
	}
	return c.outcome, nil
}

// TakeOver implements driver.Conn.
func (c *Conn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	call := &call{kind: takeOver, attempt: driver.Attempt{Name: name}, gone: gone, ended: ended}
	return c.table.do(ctx, c.closed, call)
}

// Revoke implements driver.Conn.
func (c *Conn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	mark.At = time.Now()
	call := &call{kind: revoke, attempt: driver.Attempt{Name: name}, ended: fence, mark: mark}
	return c.table.do(ctx, c.closed, call)
}

// Read implements driver.Conn.
func (c *Conn) Read(ctx context.Context, query driver.Query) (driver.View, error) {
	if err := c.ready(ctx); err != nil {
		return driver.View{}, err
	}
	return c.table.view(ctx, query)
}

// Close implements driver.Conn.
func (c *Conn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.table.disconnect()
	})
	return nil
}
