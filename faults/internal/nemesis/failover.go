package nemesis

import (
	"context"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// failover kills the primary for good and promotes a standby, mostly one that has
// been cut off for a while; and then, if there is another one, often that too,
// which knows nothing of what happened in between. New standbys are made
// afterwards.
//
// Where replication is synchronous, commits wait for the standby that is cut off,
// until their waits are cancelled: what was confirmed to clients without a warning
// is on the standby.
func (n *nemesis) failover(ctx context.Context) {
	whole := context.WithoutCancel(ctx) // it leaves a primary and standbys behind
	n.note(history.Fault, "failover")
	if n.r.IntN(4) > 0 {
		n.try(n.Cluster.Detach(whole))
		backoff.Sleep(ctx, n.between(n.TTL/8, n.TTL))
		if n.Cluster.Synchronous() {
			n.try(n.Cluster.CancelWaits(whole, n.between(n.TTL/8, n.TTL/2)))
		}
	}
	n.promote(whole)
	if n.failure() == nil && n.Cluster.Standbys() > 0 && n.r.IntN(3) > 0 {
		backoff.Sleep(ctx, n.between(n.TTL/2, 3*n.TTL)) // before grace has ended or after it
		n.note(history.Fault, "failover to another standby")
		n.promote(whole)
	}
	if n.failure() == nil {
		n.try(n.Cluster.Refill(whole))
	}
	n.note(history.Healed, "failover")
	backoff.Sleep(ctx, n.between(n.TTL/2, 2*n.TTL))
}

func (n *nemesis) promote(ctx context.Context) {
	kind := history.Async
	if n.Cluster.Synchronous() {
		kind = history.Sync
	}
	n.note(history.Promoted, kind)
	n.try(n.Cluster.Failover(ctx))
}
