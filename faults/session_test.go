package main

import (
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// hold is what one client was told of a lock.
type hold struct {
	client                string
	fence                 uint64
	called, granted, gone time.Duration // ms
}

func (h hold) events() []history.Event {
	e := history.Event{Client: h.client, Op: 1, Name: "n", Fence: h.fence}
	at := func(kind history.Kind, ms time.Duration) history.Event {
		e := e
		e.Kind, e.At = kind, ms*time.Millisecond
		return e
	}
	called, granted := at(history.Called, h.called), at(history.Granted, h.granted)
	called.Fence, granted.Until = 0, granted.At+time.Second
	return []history.Event{called, granted, at(history.LetGo, h.gone), at(history.Released, h.gone+1)}
}

// A session was granted a lock and ended while the reply was on its way, and the next holder
// was told first. That is what sessions may do, for as long as a TTL, and no other store; a
// smaller fence for one who asked later nobody may give.
func TestGrantsOfSessionsMayBeLate(t *testing.T) {
	t.Parallel()
	const ttl = 1500 * time.Millisecond
	next := hold{client: "1.1.1", fence: 20, called: 100, granted: 110, gone: 111}
	for what, c := range map[string]struct {
		store  string
		late   hold
		breach bool
	}{
		"a session":          {database.Session, hold{"0.1.1", 10, 100, 130, 140}, false},
		"a session of MySQL": {database.MySQLSession, hold{"0.1.1", 10, 100, 130, 140}, false},
		"later than a TTL":   {database.Session, hold{"0.1.1", 10, 100, 1700, 1710}, true},
		"asked for later":    {database.Session, hold{"0.1.1", 10, 115, 130, 140}, true},
		"given twice":        {database.Session, hold{"0.1.1", 20, 100, 130, 140}, true},
		"a lease":            {database.MariaDB, hold{"0.1.1", 10, 100, 130, 140}, true},
	} {
		tr := &trial{options: options{ttl: ttl}, scene: scene{store: c.store}}
		events := slices.Concat(
			[]history.Event{{Client: "0.1.1", Kind: history.Opened}, {Client: "1.1.1", Kind: history.Opened}},
			next.events(), c.late.events())
		slices.SortFunc(events, func(a, b history.Event) int { return int(a.At - b.At) })
		found := slices.DeleteFunc(tr.check(events, check.Remains{}), func(v check.Violation) bool { return v.Kind != check.Fence })
		if (len(found) > 0) != c.breach {
			t.Errorf("%s: %v", what, found)
		}
	}
}

// The late one may believe for as long as a TTL beside the next, however long that one does.
func TestBeliefsOfSessionsMayOverlap(t *testing.T) {
	t.Parallel()
	const ttl = 500 * time.Millisecond
	for overlap, breach := range map[time.Duration]bool{50: false, 700: true} {
		tr := &trial{options: options{ttl: ttl}, scene: scene{store: database.Session}}
		events := slices.Concat(
			[]history.Event{{Client: "0.1.1", Kind: history.Opened}, {Client: "1.1.1", Kind: history.Opened}},
			hold{"1.1.1", 20, 100, 110, 1000}.events(), hold{"0.1.1", 10, 100, 130, 130 + overlap}.events())
		slices.SortFunc(events, func(a, b history.Event) int { return int(a.At - b.At) })
		found := slices.DeleteFunc(tr.check(events, check.Remains{}), func(v check.Violation) bool { return v.Kind != check.Overlap })
		if (len(found) > 0) != breach {
			t.Errorf("an overlap of %v ms: %v", int64(overlap), found)
		}
	}
}
