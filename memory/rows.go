package memory

import (
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// put stores the row, and notifies those who were granted something, but for the
// caller, who gets a reply. It reports false, and does nothing, if nothing is granted now
// and something would be.
func (s *Store) put(l *driver.Lock, after driver.Lock, caller driver.Place) bool {
	before := l.Fence
	if after.Fence != before && s.paused() {
		return false
	}
	*l = after
	for g := range l.Grants() {
		if g.Fence > before && g.Place != caller {
			s.notify(g.Lease, l.Name)
		}
	}
	return true
}

// match returns the names that q asks for and that have rows, in byte order
// where q pages.
func (s *Store) match(q driver.Query) []string {
	var names []string
	if q.Names != nil {
		for _, name := range q.Names {
			if _, ok := s.locks[name]; ok {
				names = append(names, name)
			}
		}
		return names
	}
	if !q.Lease.IsZero() {
		for name, l := range s.locks {
			if l.Names(q.Lease) {
				names = append(names, name)
			}
		}
		return names
	}
	for name := range s.locks {
		if strings.HasPrefix(name, q.Prefix) && name > q.After {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names[:min(len(names), q.Limit)]
}

// describe adds the leases that l names, as far as they exist.
func (s *Store) describe(leases map[driver.ID]driver.LeaseState, l driver.Lock) {
	for p := range l.Places() {
		if row, ok := s.leases[p.Lease]; ok {
			leases[p.Lease] = driver.LeaseState{Lease: row.Lease, Beat: row.beat, Age: time.Since(row.renewed)}
		}
	}
}

// snapshot copies a row, with the ages of this moment.
func snapshot(l *driver.Lock) driver.Lock {
	c := *l
	c.Queue, c.Members, c.Data = slices.Clone(l.Queue), slices.Clone(l.Members), slices.Clone(l.Data)
	c.Mark = aged(l.Mark)
	if !l.Since.IsZero() {
		c.Age = time.Since(l.Since)
	}
	for i := range c.Members {
		c.Members[i].Age, c.Members[i].Mark = time.Since(c.Members[i].Since), aged(c.Members[i].Mark)
	}
	if !l.Held() && !l.KeptUntil.IsZero() {
		c.Kept = max(time.Until(l.KeptUntil), 0)
	}
	return c
}

func aged(m *driver.Mark) *driver.Mark {
	if m == nil {
		return nil
	}
	c := *m
	c.Age = time.Since(m.At)
	return &c
}
