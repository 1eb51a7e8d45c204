package liveness

import (
	"iter"
	"maps"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Clone returns a Tracker that remembers the same.
func (t *Tracker) Clone() *Tracker {
	return &Tracker{seen: maps.Clone(t.seen), marks: maps.Clone(t.marks)}
}

// Sighting is one lease, or one revoked grant, that a Tracker remembers.
type Sighting struct {
	ID    driver.ID // zero: it is a revoked grant
	Beat  uint64
	Name  string
	Fence uint64
	First time.Time // since when
}

// Sightings returns all that the Tracker remembers, in no order.
func (t *Tracker) Sightings() iter.Seq[Sighting] {
	return func(yield func(Sighting) bool) {
		for id, s := range t.seen {
			if !yield(Sighting{ID: id, Beat: s.beat, First: s.first}) {
				return
			}
		}
		for m, first := range t.marks {
			if !yield(Sighting{Name: m.name, Fence: m.fence, First: first}) {
				return
			}
		}
	}
}
