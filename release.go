package leasehold

import (
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
)

// guardedTries is how often a release that finds its row locked is repeated
// before it is taken to wait for a guard.
const guardedTries = 5

// letGo ends an attempt in the store: it repeats Release until the outcome is
// known, or until the lease has ended, which ends the attempt too. It reports
// whether the outcome is known. It calls guarded once, early, if the row stays
// locked by somebody else: then the release follows when that ends.
func (c *Client) letGo(lease *keepalive.Lease, a driver.Attempt, guarded func()) bool {
	busy, pauses := 0, backoff.New(time.Millisecond, 250*time.Millisecond)
	for {
		failover := c.failover.Load()
		outcome, err := c.conn.Release(c.callContext(), a)
		switch {
		case err == nil && outcome != driver.Busy && c.endedBy(a.Ticket, failover):
			return true
		case err == nil && outcome != driver.Busy:
			// the incarnation that answered is gone; ask this one
		case err != nil:
			c.storeFailed("release", err)
		default:
			if busy++; busy == guardedTries {
				guarded()
			}
		}
		if !sleepUntil(lease.Ended(), pauses.Next()) {
			c.ended(a.Ticket)
			return false
		}
	}
}

// sleepUntil pauses for d; it reports false if ended was closed first.
func sleepUntil(ended <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ended:
		return false
	}
}
