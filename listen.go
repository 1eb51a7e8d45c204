package leasehold

import (
	"context"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// listen makes sure that notifications for the lease are listened for, until it
// ends. A store that has none is polled.
func (c *Client) listen(lease *keepalive.Lease) {
	l, ok := c.conn.(driver.Listener)
	if !ok {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ear != lease && c.closing.Err() == nil {
		c.ear = lease
		c.tasks.Go(func() { c.listenUntilEnded(l, lease) })
	}
}

func (c *Client) listenUntilEnded(l driver.Listener, lease *keepalive.Lease) {
	ctx, cancel := context.WithCancel(c.closing)
	defer cancel()
	c.tasks.Go(func() {
		defer cancel()
		select {
		case <-lease.Ended():
		case <-ctx.Done():
		}
	})
	wake := func(hint driver.Hint) { c.wake(lease, hint) }
	for pause := range backoff.Seq(50*time.Millisecond, 2*time.Second) {
		err := l.Listen(ctx, lease.ID, wake)
		c.listening.Store(false)
		if ctx.Err() != nil {
			return
		}
		c.storeFailed("listen", err)
		c.waits.hint("") // from here on the watcher polls
		if !backoff.Sleep(ctx, pause) {
			return
		}
	}
}

// wake acts on a notification: somebody was granted a lock, or it was revoked.
func (c *Client) wake(lease *keepalive.Lease, hint driver.Hint) {
	c.listening.Store(true)
	switch {
	case hint.Fence != 0 && c.waits.granted(lease.ID, hint):
	case hint.Name == "" && c.holds():
		lease.Kick() // a revocation may have been missed before
		c.waits.hint("")
	case !c.waits.hint(hint.Name) && hint.Name != "":
		lease.Kick() // nobody waits for it: it was revoked, and the renewal tells
	}
}
