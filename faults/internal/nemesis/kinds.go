package nemesis

import (
	"context"
	"slices"
)

// kind is one kind of fault.
type kind struct {
	name   string
	weight int  // how often it comes in relation to others
	server bool // it harms what all clients use
	// possible reports whether a trial has what it harms; nil: each has.
	possible func(Config) bool
	run      func(*nemesis, context.Context)
}

func owned(c Config) bool   { return c.Cluster != nil && c.Cluster.Owned() }
func reached(c Config) bool { return c.Cluster != nil }
func linked(c Config) bool  { return c.Cluster != nil && c.Cluster.Link(0) != nil }
func doubled(c Config) bool { return owned(c) && c.Cluster.Standbys() > 0 }
func stepped(c Config) bool { return owned(c) && c.Steps > 0 }
func limited(c Config) bool { return owned(c) && c.Disk }

// kinds returns all there are.
func kinds() []kind {
	return []kind{
		{name: "stop", weight: 4, run: (*nemesis).stop},
		{name: "stop-inside", weight: 8, run: (*nemesis).stopInside},
		{name: "kill", weight: 4, run: (*nemesis).kill},

		{name: "partition", weight: 4, possible: linked, run: (*nemesis).partition},
		{name: "slow", weight: 2, possible: linked, run: (*nemesis).slow},
		{name: "stall", weight: 2, possible: linked, run: (*nemesis).stall},
		{name: "reset", weight: 2, possible: linked, run: (*nemesis).reset},

		{name: "terminate", weight: 10, server: true, possible: reached, run: (*nemesis).terminate},
		{name: "cancel", weight: 10, server: true, possible: reached, run: (*nemesis).cancel},
		{name: "snapshot", weight: 2, server: true, possible: owned, run: (*nemesis).snapshot},
		{name: "clock", weight: 8, server: true, possible: stepped, run: (*nemesis).clock},

		{name: "crash", weight: 2, server: true, possible: owned, run: (*nemesis).crash},
		{name: "restart", weight: 2, server: true, possible: owned, run: (*nemesis).restart},
		{name: "connections", weight: 2, server: true, possible: owned, run: (*nemesis).connections},
		{name: "disk", weight: 2, server: true, possible: limited, run: (*nemesis).disk},
		{name: "failover", weight: 40, server: true, possible: doubled, run: (*nemesis).failover},
	}
}

// Names returns the names of all nemeses.
func Names() []string {
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	return names
}

// chosen returns the kinds that are wanted and possible.
func (c Config) chosen() []kind {
	return slices.DeleteFunc(kinds(), func(k kind) bool {
		return !slices.Contains(c.Names, k.name) || k.possible != nil && !k.possible(c)
	})
}

// embedded weighs the kinds for an embedded database: a process of one keeps its
// locks while it is stopped, but not when it is killed.
func embedded(kinds []kind) []kind {
	weights := map[string]int{"stop": 4, "stop-inside": 2, "kill": 8}
	for i := range kinds {
		kinds[i].weight = weights[kinds[i].name]
	}
	return kinds
}
