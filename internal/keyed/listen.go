package keyed

import (
	"context"
	"sync"

	"github.com/leaseholdgo/leasehold/driver"
)

// ear is one call of Listen.
type ear struct {
	lease driver.ID

	mu   sync.Mutex // held while wake is called
	wake func(driver.Hint)
	gone bool // Listen has returned, or is about to
}

// told is a hint for an ear.
type told struct {
	ear  *ear
	hint driver.Hint
}

func (e *ear) tell(hint driver.Hint) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.gone {
		e.wake(hint)
	}
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
	defer t.deafen(e)
	e.tell(driver.Hint{})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-c.closed:
		return errClosed
	}
}

func (t *Table) deafen(e *ear) {
	t.mu.Lock()
	delete(t.ears, e)
	t.mu.Unlock()
	e.mu.Lock()
	e.gone = true
	e.mu.Unlock()
}

// tell has those woken who listen for the lease. t.mu is held.
func (t *Table) tell(lease driver.ID, hint driver.Hint) {
	for e := range t.ears {
		if e.lease == lease {
			t.hints = append(t.hints, told{e, hint})
		}
	}
}
