package explore

import "github.com/leaseholdgo/leasehold/driver"

// Worlds returns the bounds that are explored by default: each has the faults that
// belong together. Their states are finite, though time is not: ages beyond all deadlines
// are the same.
func Worlds() []Bounds {
	lostGrant := []step{{kind: begin}, {kind: makeCopy}, {kind: ask}, {kind: promote}}
	lostRelease := []step{
		{kind: begin}, {kind: ask}, {kind: begin, client: 1}, {kind: ask, client: 1},
		{kind: makeCopy}, {kind: letGo}, {kind: leave}, {kind: promote},
	}
	shared, permit := driver.Terms{Mode: driver.Shared}, driver.Terms{Mode: driver.Permit, Limit: 2}
	return []Bounds{
		{Name: "expiry", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Late: 1},
		{Name: "losses", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Lost: 1, Crashes: 1, Cancels: 1},
		{Name: "clock", Clients: 2, Names: 1, Attempts: 1, Crashes: 1, Try: true},
		{Name: "revocation", Clients: 2, Names: 1, Attempts: 1, Again: 1, Tolerance: -1, Revokes: 1},
		{Name: "news", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Revokes: 1, Late: 1},
		{Name: "notifications", Clients: 2, Names: 1, Attempts: 1, Again: 1, Tolerance: -1, Revokes: 1, Hints: 1},
		{Name: "names", Clients: 2, Names: 2, Attempts: 1, Tolerance: -1, Crashes: 1},
		{Name: "queue", Clients: 3, Names: 1, Attempts: 1, Tolerance: -1},
		{Name: "shared", Clients: 3, Names: 1, Attempts: 1, Tolerance: -1, Terms: []driver.Terms{shared, {}, shared}},
		{Name: "shared revocation", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Revokes: 1, Terms: []driver.Terms{shared, {}}},
		{Name: "permits", Clients: 3, Names: 1, Attempts: 1, Tolerance: -1, Terms: []driver.Terms{permit, permit, permit}},
		{Name: "minimum hold", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Crashes: 1, Terms: []driver.Terms{{MinHold: 4 * tick}}},
		{Name: "failover", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Promotions: 1, Lag: 1},
		{Name: "lost grant", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Promotions: 1, Late: 1, start: lostGrant},
		{Name: "lost release", Clients: 2, Names: 1, Attempts: 1, Tolerance: -1, Promotions: 1, start: lostRelease},
	}
}
