package check

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// linear checks the history of each name for linearizability (Herlihy and Wing,
// "Linearizability", 1990) against an owner-aware, fenced lock, which is held by one
// alone, shared by readers, or has permits:
//
//   - an acquisition, between its call and its return, finds room, and gets
//     a fence larger than any before;
//   - the hold it began is ended once, by its owner: between the call of Release and
//     its return; or, if the outcome of that is not known or the lock was lost, its
//     client closed or its process killed, at any time from the end of the belief on.
//
// Acquisitions that returned no lock are left out: what they may have done was
// undone.
func linear(grants map[string][]*grant) []Violation {
	var mu sync.Mutex
	var found []Violation
	var wg sync.WaitGroup
	for name, list := range grants {
		wg.Go(func() {
			v := linearName(name, list, window)
			mu.Lock()
			defer mu.Unlock()
			found = append(found, v...)
		})
	}
	wg.Wait()
	return found
}

const (
	// window is how many grants are checked at a time. The cost of a check grows
	// with the square of their number.
	window = 500
	// giveUp is how long the check of one window may take. They take milliseconds.
	giveUp = 20 * time.Second
)

// linearName checks the history of one name, so many grants at a time, cut between two
// fences. That is exact: the model allows one order of grants only, that of the fences,
// so those in one window come before those in the next. The next window begins when the
// last grant of the one before can have been made at the earliest (see schedule), with
// those who cannot have ended by then.
func linearName(name string, list []*grant, window int) (found []Violation) {
	list = slices.SortedStableFunc(slices.Values(list), func(a, b *grant) int { return cmp.Compare(a.fence, b.fence) })
	plan, found := schedule(name, list)
	if len(found) > 0 {
		return found
	}
	for i := 0; i < len(plan); i += window {
		if v := linearWindow(name, plan, i, min(i+window, len(plan))); v != nil {
			found = append(found, *v)
		}
	}
	return found
}

// linearWindow checks the grants from one index to another.
func linearWindow(name string, plan []placed, from, to int) *Violation {
	start, carried := time.Duration(0), []int(nil)
	last := uint64(0)
	if from > 0 {
		start, last = plan[from-1].from, plan[from-1].fence
		carried = plan[from-1].holding
	}
	var operations []porcupine.Operation
	for _, i := range carried {
		operations = append(operations, plan[i].ending(i, start))
	}
	for i := from; i < to; i++ {
		acquisition := porcupine.Operation{Input: operation{index: i}, Call: int64(max(plan[i].called, start)), Return: int64(plan[i].granted)}
		operations = append(operations, acquisition, plan[i].ending(i, start))
	}
	switch porcupine.CheckOperationsTimeout(model(plan, from, carried, last), operations, giveUp) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		v := violation(Linear, name, "the check of fences %d to %d did not end within %v", plan[from].fence, plan[to-1].fence, giveUp)
		return &v
	default:
		first, last := plan[from].grant, plan[to-1].grant
		v := violation(Linear, name, "no order explains the grants from %v to %v", first, last).during(first.granted, last.granted)
		return &v
	}
}

// ending returns the operation that ends the hold.
func (p placed) ending(index int, start time.Duration) porcupine.Operation {
	return porcupine.Operation{Input: operation{index: index, end: true}, Call: int64(max(p.over(), start)), Return: int64(p.gone())}
}

// gone returns the instant by which the hold had ended.
func (g *grant) gone() time.Duration {
	if g.released < g.over() {
		return never // it had ended otherwise before
	}
	return g.released
}

// over returns the first instant at which the hold may have ended. One that nobody
// ever believed in may have ended before its grant returned.
func (g *grant) over() time.Duration {
	if !g.believed() {
		return g.called
	}
	return g.end
}

// operation is an acquisition, or the end of a hold, of one grant of a plan.
type operation struct {
	index int
	end   bool
}

// state is that of the lock: who hold it, in the order of their grants.
type state struct {
	next    int    // index of the next grant
	fence   uint64 // of the last one
	holding []int
}

// model is the lock; it starts with those who are carried over, after a grant with the
// fence last.
func model(plan []placed, from int, carried []int, last uint64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{from, last, carried} },
		Step: func(before, input, _ any) (bool, any) {
			s, o := before.(state), input.(operation)
			at := slices.Index(s.holding, o.index)
			switch {
			case o.end && at >= 0:
				s.holding = slices.Delete(slices.Clone(s.holding), at, at+1)
				return true, s
			case o.end || o.index != s.next || plan[o.index].fence <= s.fence || !room(plan, s.holding, o.index):
				return false, s
			default:
				return true, state{s.next + 1, plan[o.index].fence, append(slices.Clip(s.holding), o.index)}
			}
		},
		Equal: func(a, b any) bool {
			x, y := a.(state), b.(state)
			return x.next == y.next && slices.Equal(x.holding, y.holding)
		},
	}
}

// room reports whether the grant of that index may hold beside those who do.
func room(plan []placed, holding []int, index int) bool {
	g := plan[index].grant
	for _, i := range holding {
		if !g.beside(plan[i].grant) {
			return false
		}
	}
	return len(holding) < g.most()
}
