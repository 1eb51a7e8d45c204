package advisory

import (
	"context"

	"github.com/leaseholdgo/leasehold/driver"
)

// ear is one call of Listen.
type ear struct {
	lease driver.ID
	wake  func(driver.Hint)
}

// Listen implements driver.Listener. Everything that it tells happens in the process.
func (c *Conn) Listen(ctx context.Context, lease driver.ID, wake func(driver.Hint)) error {
	if err := c.ready(ctx); err != nil {
		return err
	}
	t, e := c.table, &ear{lease: lease, wake: wake}
	t.mu.Lock()
	t.ears[e] = struct{}{}
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.ears, e)
	}()
	wake(driver.Hint{})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return errClosed
	}
}

// tell wakes those who listen for the lease. t.mu is held.
func (t *Table) tell(lease driver.ID, hint driver.Hint) {
	for e := range t.ears {
		if e.lease == lease {
			e.wake(hint)
		}
	}
}
