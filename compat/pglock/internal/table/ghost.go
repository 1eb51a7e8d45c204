package table

import (
	"context"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// ghostLife is how long a statement is feared whose outcome is unknown: longer than a
// connection, or a server that it waits in, keeps one as a rule.
const ghostLife = 10 * time.Minute

// ghost is what statements that were given up may leave of a row: RVNs that nobody
// believes in.
type ghost struct {
	name   string
	stamps []int64
	keep   bool
	since  time.Time
}

// haunt notes that the row may come to bear stamps that were given up. t.mu is held.
func (t *Table) haunt(r *row, stamps []int64) {
	if len(stamps) == 0 {
		return
	}
	if len(t.ghosts) == 0 {
		t.wg.Go(t.exorcise)
	}
	t.ghosts = append(t.ghosts, ghost{r.lock.Name, slices.Clone(stamps), r.keep, clock.Now()})
}

// exorcise removes ghosts as they appear, until none is to be feared. It is rare: a
// statement for an acquisition had to be given up.
func (t *Table) exorcise() {
	pauses := backoff.New(20*time.Millisecond, 30*time.Second)
	for {
		if !backoff.Sleep(t.life, pauses.Next()) {
			return
		}
		left, more := t.haunting()
		if !more {
			return
		}
		call, cancel := context.WithTimeout(t.life, t.patience())
		_ = t.free(call, left) // what fails is tried again
		cancel()
	}
}

// haunting returns the ghosts that are to be feared; false if there are none.
func (t *Table) haunting() (l leaving, more bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ghosts = slices.DeleteFunc(t.ghosts, func(g ghost) bool { return clock.Since(g.since) > ghostLife })
	for _, g := range t.ghosts {
		if g.keep {
			l.kept.add(g.name, g.stamps...)
		} else {
			l.freed.add(g.name, g.stamps...)
		}
	}
	return l, len(t.ghosts) > 0
}
