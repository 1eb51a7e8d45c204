package measure

import "github.com/leaseholdgo/leasehold/bench/internal/fleet"

// The roles of processes.
const (
	followerRole  = "follower"
	listenerRole  = "listener"
	contenderRole = "contender"
	relayRole     = "relay"
	crowdRole     = "crowd"
)

// Roles returns what a process may be started for.
func Roles() map[string]fleet.Role {
	return map[string]fleet.Role{
		followerRole:  follow,
		listenerRole:  listen,
		contenderRole: contend,
		relayRole:     relay,
		crowdRole:     crowd,
	}
}
