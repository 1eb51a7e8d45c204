package leasehold

import (
	"context"
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
	defer c.ended(a.Ticket)
	busy := 0
	for pause := range backoff.Seq(time.Millisecond, 250*time.Millisecond) {
		failover := c.failovers()
		call, cancel := context.WithTimeout(context.Background(), c.callTimeout())
		outcome, err := c.conn.Release(call, a)
		cancel()
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
		if !sleepUntil(lease.Ended(), pause) {
			return false
		}
	}
	return false // not reached: Seq does not end
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
