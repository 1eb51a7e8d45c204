package liveness

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Clone returns a Tracker that remembers the same.
func (t *Tracker) Clone() *Tracker {
	return &Tracker{seen: maps.Clone(t.seen), marks: maps.Clone(t.marks)}
}

// String returns all that the Tracker remembers, in one order.
func (t *Tracker) String() string {
	var lines []string
	for id, s := range t.seen {
		lines = append(lines, fmt.Sprintf("%v:%d@%d", id, s.beat, s.first.UnixNano()))
	}
	for m, first := range t.marks {
		lines = append(lines, fmt.Sprintf("%q:%d@%d", m.name, m.fence, first.UnixNano()))
	}
	slices.Sort(lines)
	return strings.Join(lines, " ")
}
