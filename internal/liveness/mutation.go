package liveness

import (
	"time"

	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// observedTTL returns the time for which a beat must stay what it is: the TTL stored
// with the lease.
func observedTTL(ttl time.Duration) time.Duration {
	if mutation.On(mutation.ObserverTTL) {
		return ttl / 2
	}
	return ttl
}

// firstSeen returns from when a new beat counts: from its own receipt at the instant at,
// whatever was seen of the lease before.
func firstSeen(before, at time.Time) time.Time {
	if mutation.On(mutation.KeepSightings) && !before.IsZero() {
		return before
	}
	return at
}
