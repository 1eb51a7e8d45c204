package drivertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"

	"github.com/leaseholdgo/leasehold/driver"
)

// state is how a line is.
type state int

const (
	sound  state = iota // every call passes
	broken              // every call fails at once, and does nothing
	silent              // every call hangs until its context ends, and does nothing
	lossy               // every call passes, and every third reply is lost
)

var errLine = errors.New("drivertest: the line is bad")

// line is a store behind a line that can be bad. It is safe for concurrent use.
type line struct {
	driver.Store
	mu    sync.Mutex // guards the fields below
	state state
	gap   chan struct{} // closed when the line stops being sound
}

func newLine(store driver.Store) *line {
	return &line{Store: store, gap: make(chan struct{})}
}

// set changes how the line is. Those who listen over it are cut off.
func (l *line) set(s state) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	if s != sound {
		close(l.gap)
		l.gap = make(chan struct{})
	}
}

func (l *line) now() (state, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state, l.gap
}

// Connect makes a connection of the store go over the line.
func (l *line) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	conn, err := l.Store.Connect(ctx, settings)
	if err != nil {
		return nil, err
	}
	c := lineConn{conn, l}
	if _, ok := conn.(driver.Listener); ok {
		return lineListener{c}, nil
	}
	return c, nil
}

// over makes a call over the line.
func over[T any](ctx context.Context, l *line, call func() (T, error)) (T, error) {
	var none T
	switch s, _ := l.now(); s {
	case broken:
		return none, errLine
	case silent:
		<-ctx.Done()
		return none, ctx.Err()
	case lossy:
		if got, err := call(); err != nil || rand.IntN(3) > 0 {
			return got, err
		}
		return none, errLine
	}
	return call()
}

// lineConn is a Conn over a line.
type lineConn struct {
	driver.Conn
	line *line
}

func (c lineConn) CreateLease(ctx context.Context, lease driver.Lease) (driver.Renewal, error) {
	return over(ctx, c.line, func() (driver.Renewal, error) { return c.Conn.CreateLease(ctx, lease) })
}

func (c lineConn) RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error) {
	return over(ctx, c.line, func() (driver.Renewal, error) { return c.Conn.RenewLease(ctx, id) })
}

func (c lineConn) EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error) {
	return over(ctx, c.line, func() (bool, error) { return c.Conn.EndLease(ctx, id, grounds) })
}

func (c lineConn) Acquire(ctx context.Context, a driver.Attempt, wait bool) (driver.Reply, error) {
	return over(ctx, c.line, func() (driver.Reply, error) { return c.Conn.Acquire(ctx, a, wait) })
}

func (c lineConn) Release(ctx context.Context, a driver.Attempt) (driver.Outcome, error) {
	return over(ctx, c.line, func() (driver.Outcome, error) { return c.Conn.Release(ctx, a) })
}

func (c lineConn) TakeOver(ctx context.Context, name string, gone []driver.ID, ended uint64) error {
	_, err := over(ctx, c.line, func() (struct{}, error) {
		return struct{}{}, c.Conn.TakeOver(ctx, name, gone, ended)
	})
	return err
}

func (c lineConn) Revoke(ctx context.Context, name string, fence uint64, mark driver.Mark) error {
	_, err := over(ctx, c.line, func() (struct{}, error) {
		return struct{}{}, c.Conn.Revoke(ctx, name, fence, mark)
	})
	return err
}

func (c lineConn) Read(ctx context.Context, q driver.Query) (driver.View, error) {
	return over(ctx, c.line, func() (driver.View, error) { return c.Conn.Read(ctx, q) })
}

// lineListener is a lineConn of a store that can tell.
type lineListener struct{ lineConn }

// Listen passes the wakes on until the line stops being sound.
func (c lineListener) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	_, gap := c.line.now()
	_, err := over(ctx, c.line, func() (struct{}, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() {
			select {
			case <-gap:
				cancel()
			case <-ctx.Done():
			}
		}()
		return struct{}{}, c.Conn.(driver.Listener).Listen(ctx, lease, wake)
	})
	return err
}
