package explore

import (
	"fmt"
	"slices"

	"github.com/leaseholdgo/leasehold/driver"
)

// judgeGrant holds a grant just made against those before it: the fence is larger than
// all of them, nobody believes in one of them any more that it does not fit beside, nobody
// was passed by who waits still, and no minimum hold was cut short.
func (w *world) judgeGrant(name int, before, after driver.Lock, g driver.Grant) {
	switch {
	case g.Fence == w.highest[name]:
		w.broken = fmt.Sprintf("a fence of %q is given twice", after.Name)
	case g.Fence < w.highest[name]:
		w.broken = fmt.Sprintf("fence %s of %q follows fence %s", fenceOf(g.Fence), after.Name, fenceOf(w.highest[name]))
	}
	w.highest[name] = max(w.highest[name], g.Fence)
	terms := []driver.Terms{w.bounds.terms(int(g.Ticket[1]))}
	for i := range w.people {
		c := &w.people[i]
		if c.believes(w.now) && int(c.attempt.name) == name && c.attempt.place() != g.Place {
			if terms = append(terms, c.attempt.terms); !together(terms) {
				w.broken = fmt.Sprintf("%q was granted while client %d believes in it", after.Name, c.number)
			}
		}
	}
	for _, first := range before.Queue {
		if first.Place == g.Place {
			break
		}
		if after.Ahead(first.Place) >= 0 {
			w.broken = fmt.Sprintf("%q was granted past ticket %s, which waits", after.Name, nameOf(first.Ticket))
		}
	}
	if w.now < w.kept[name] {
		w.broken = fmt.Sprintf("%q was granted before its minimum hold was over", after.Name)
	}
	if d := terms[0].MinHold; d > 0 {
		w.kept[name] = w.now + int(d/tick)
	}
}

// together reports whether grants on these terms may be believed in at once: one alone, or
// all shared, or permits up to the limit.
func together(terms []driver.Terms) bool {
	for _, t := range terms {
		if t.Mode != terms[0].Mode {
			return false
		}
	}
	switch {
	case len(terms) < 2:
		return true
	case terms[0].Mode == driver.Permit:
		return len(terms) <= terms[0].Limit
	default:
		return terms[0].Mode == driver.Shared
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
	var believers []driver.Terms
	for i := range w.people {
		c := &w.people[i]
		if int(c.attempt.name) == name && c.believes(w.now) {
			if believers = append(believers, c.attempt.terms); c.attempt.doubted {
				return fmt.Sprintf("client %d believes in %q again after its trust had ended", i, l.Name)
			}
		}
	}
	switch {
	case !together(believers):
		return fmt.Sprintf("%d clients believe in %q", len(believers), l.Name)
	case !l.Held() && len(l.Queue) > 0 && l.KeptUntil.IsZero():
		return fmt.Sprintf("%q is free, and somebody waits", l.Name)
	}
	return w.brokenRow(l)
}

// brokenRow returns the invariant that a row breaks in itself, or nothing.
func (w *world) brokenRow(l *driver.Lock) string {
	var holding []driver.Terms
	for g := range l.Grants() {
		holding = append(holding, w.bounds.terms(int(g.Ticket[1])))
	}
	if !together(holding) {
		return fmt.Sprintf("%q is granted to %d that may not hold it at once", l.Name, len(holding))
	}
	if len(l.Queue) > 0 && len(holding) > 0 && together(append(holding, l.Queue[0].Terms)) {
		return fmt.Sprintf("ticket %s of %q could hold, and waits", nameOf(l.Queue[0].Ticket), l.Name)
	}
	places := slices.Collect(l.Places())
	for i, p := range places {
		if slices.Contains(places[:i], p) {
			return fmt.Sprintf("%q has ticket %s twice", l.Name, nameOf(p.Ticket))
		}
	}
	return ""
}
