package liveness

import (
	"time"

	"github.com/leaseholdgo/leasehold/internal/clock"
)

// Grace watches the pause in granting after a change of the database's incarnation.
// A copy that was promoted may lack the last grants; so nothing is granted until
// every trust from before is over. It is not safe for concurrent use.
type Grace struct {
	epoch uint64
	first time.Time
}

// Over notes that a reply received at the instant at showed that this epoch does not
// grant, and reports whether the pause has lasted: the longest TTL there may be and its
// margin, since the receipt of the first such reply. Every trust from before was
// anchored before the change, and so before that receipt.
func (g *Grace) Over(epoch uint64, longest time.Duration, at time.Time) bool {
	if g.first.IsZero() || g.epoch != epoch {
		g.epoch, g.first = epoch, at
	}
	return !at.Before(g.first.Add(longest + clock.Margin(longest)))
}

// Left returns how much of the pause is left at the instant at.
func (g *Grace) Left(longest time.Duration, at time.Time) time.Duration {
	return max(g.first.Add(longest+clock.Margin(longest)).Sub(at), 0)
}

// GraceTolerance returns by how much the database's clock must find the pause to be
// overdue before that clock ends it, and false if no clock may. configured is as in
// Rules.
func GraceTolerance(configured, longest time.Duration) (time.Duration, bool) {
	switch {
	case configured < 0:
		return 0, false
	case configured > 0:
		return configured, true
	default:
		return min(longest, DefaultTolerance), true
	}
}
