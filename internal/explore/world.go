package explore

import (
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
)

// world is one state.
type world struct {
	bounds *Bounds
	now    int // ticks
	db     database
	copy   *database // a standby that lags; nil: there is none. It is never changed
	copied int       // the tick when it was copied
	spent  spent
	people []client

	// What nobody in the world can see, for judging.
	highest []uint64 // the highest fence ever given, by name
	kept    []int    // the tick before which no other grant may follow the last, by name
	broken  string   // the rule that the last step broke
}

// spent counts the faults so far.
type spent struct{ lost, late, hints, crashes, cancels, revokes, promotions byte }

func newWorld(b *Bounds) *world {
	w := &world{bounds: b, highest: make([]uint64, b.Names), kept: make([]int, b.Names)}
	w.db = database{number: 1, granting: true, locks: make([]driver.Lock, b.Names)}
	for i := range w.db.locks {
		w.db.locks[i].Name = string(rune('a' + i))
	}
	for i := range b.Clients {
		w.people = append(w.people, newClient(i))
	}
	for _, s := range b.start {
		w.take(s)
	}
	return w
}

func (w *world) clone() *world {
	c := *w
	c.db = w.db.clone()
	c.people = slices.Clone(w.people)
	c.highest = slices.Clone(w.highest)
	c.kept = slices.Clone(w.kept)
	return &c
}

// leaseID and ticketID make ids that tell whose they are.
func leaseID(client, nth int) driver.ID  { return driver.ID{1, byte(client), byte(nth)} }
func ticketID(client, nth int) driver.ID { return driver.ID{2, byte(client), byte(nth)} }
