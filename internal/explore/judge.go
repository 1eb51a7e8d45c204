package explore

import (
	"fmt"

	"github.com/leaseholdgo/leasehold/driver"
)

// judgeGrant holds a grant just made against those before it: the fence is larger than
// all of them, and nobody believes in one of them any more.
func (w *world) judgeGrant(name int, after driver.Lock) {
	switch {
	case after.Fence == w.highest[name]:
		w.broken = fmt.Sprintf("a fence of %q is given twice", after.Name)
	case after.Fence < w.highest[name]:
		w.broken = fmt.Sprintf("fence %s of %q follows fence %s", fenceOf(after.Fence), after.Name, fenceOf(w.highest[name]))
	}
	w.highest[name] = max(w.highest[name], after.Fence)
	for i := range w.people {
		c := &w.people[i]
		if c.believes(w.now) && int(c.attempt.name) == name && c.attempt.place() != after.Holder {
			w.broken = fmt.Sprintf("%q was granted while client %d believes in it", after.Name, c.number)
		}
	}
}

// judge returns the rule that the state breaks, or nothing.
func (w *world) broke() string {
	if w.broken != "" {
		return w.broken
	}
	for name := range w.db.locks {
		if rule := w.brokenAt(name); rule != "" {
			return rule
		}
	}
	return ""
}

func (w *world) brokenAt(name int) string {
	l := &w.db.locks[name]
	believers := 0
	for i := range w.people {
		c := &w.people[i]
		if int(c.attempt.name) == name && c.believes(w.now) {
			if believers++; c.attempt.doubted {
				return fmt.Sprintf("client %d believes in %q again after its trust had ended", i, l.Name)
			}
		}
	}
	switch {
	case believers > 1:
		return fmt.Sprintf("%d clients believe in %q", believers, l.Name)
	case !l.Held() && len(l.Queue) > 0:
		return fmt.Sprintf("%q is free, and somebody waits", l.Name)
	}
	for i, p := range l.Queue {
		if p.Place == l.Holder || l.Ahead(p.Place) != i {
			return fmt.Sprintf("%q has ticket %s twice", l.Name, nameOf(p.Ticket))
		}
	}
	return ""
}
