package check

import (
	"cmp"
	"slices"
	"time"
)

// placed is a grant with the earliest instants at which it can have been made, and its
// hold have ended.
type placed struct {
	*grant
	from, to time.Duration
	holding  []int // who hold when it is made and do not end with that, itself included, as indices of the plan
}

// schedule puts every grant, in the order of fences, at the first instant that it can
// have had, and every end too. Nothing is lost by that: who ends earlier keeps nobody out
// for longer. It finds those grants that had returned by then.
func schedule(name string, list []*grant) (plan []placed, found []Violation) {
	var now time.Duration
	var holding []int
	for i, g := range list {
		p := placed{grant: g, from: max(now, g.called)}
		at, by := p.room(plan, holding)
		p.from = max(p.from, at)
		if v := p.late(name, plan, i, by); v != nil {
			found = append(found, *v)
			holding, p.from = nil, min(p.from, g.granted) // to find others that this one is not the cause of
		}
		now, p.to = p.from, max(p.from, g.over())
		plan = append(plan, p)
		holding = slices.DeleteFunc(append(slices.Clone(holding), i), func(j int) bool { return plan[j].to <= now })
		plan[i].holding = holding
	}
	return plan, found
}

// room returns the instant from which on p fits beside those who hold, and the one who
// ended last for that; nil if it fits at once.
func (p placed) room(plan []placed, holding []int) (at time.Duration, by *grant) {
	wait := func(i int) {
		if plan[i].to > max(at, p.from) {
			at, by = plan[i].to, plan[i].grant
		}
	}
	var fitting []int
	for _, i := range holding {
		if p.beside(plan[i].grant) {
			fitting = append(fitting, i)
		} else {
			wait(i)
		}
	}
	if most := p.most(); len(fitting) >= most {
		slices.SortFunc(fitting, func(a, b int) int { return cmp.Compare(plan[b].to, plan[a].to) })
		wait(fitting[most-1])
	}
	return at, by
}

// late returns what is wrong with the place that p has, if anything is.
func (p placed) late(name string, plan []placed, i int, by *grant) *Violation {
	var v Violation
	switch {
	case i > 0 && p.fence <= plan[i-1].fence:
		v = violation(Linear, name, "no order explains it: %v; and %v", plan[i-1].grant, p.grant).during(plan[i-1].granted, p.granted).of(plan[i-1].grant, p.grant)
	case p.from <= min(p.granted, p.gone()):
		return nil
	case by != nil:
		v = violation(Linear, name, "no order explains it: %v; it had returned by then, and what has smaller fences had not made room before %v (%v)",
			p.grant, p.from, by).during(p.granted, p.from).of(p.grant, by)
	default:
		v = violation(Linear, name, "no order explains it: %v; it had returned by then, and what has smaller fences was not granted before %v",
			p.grant, p.from).during(p.granted, p.from).of(p.grant)
	}
	return &v
}
