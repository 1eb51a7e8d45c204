package memory

import (
	"context"
	"errors"

	"github.com/leaseholdgo/leasehold/driver"
)

var errClosed = errors.New("memory: the connection is closed")

// Listen implements driver.Listener.
func (c *conn) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	e := &ear{lease: lease, wake: wake, cut: make(chan struct{})}
	err := c.do(ctx, Call{Op: "Listen"}, func() error {
		c.store.ears[e] = struct{}{}
		return nil
	})
	if err != nil {
		return err
	}
	defer c.store.deafen(e)
	wake(driver.Hint{})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return errClosed
	case <-e.cut:
		return ErrDown
	}
}

func (s *Store) deafen(e *ear) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ears, e)
}
