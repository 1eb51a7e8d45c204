package check

import (
	"cmp"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
)

// linear checks the history of each name for linearizability (Herlihy and Wing,
// "Linearizability", 1990) against an owner-aware, fenced mutex:
//
//   - an acquisition, between its call and its return, finds the lock free, and gets
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

// linearName checks the history of one name, so many grants at a time, cut between two fences. That
// is exact: the model allows one order only, that of the fences, so everything in
// one window comes before everything in the next; and a window that can be put in
// order can be so no later than when the last of its operations has begun, which is
// where the next one starts.
func linearName(name string, list []*grant, window int) (found []Violation) {
	list = slices.SortedStableFunc(slices.Values(list), func(a, b *grant) int { return cmp.Compare(a.fence, b.fence) })
	start, last := time.Duration(math.MinInt64), uint64(0)
	for len(list) > 0 {
		n := min(window, len(list))
		for n < len(list) && list[n].fence == list[n-1].fence {
			n++
		}
		if v := linearWindow(name, list[:n], start, last); v != nil {
			found = append(found, *v)
		}
		for _, g := range list[:n] {
			start, last = max(start, g.called, g.over()), g.fence
		}
		list = list[n:]
	}
	return found
}

// linearWindow checks grants, in the order of their fences, that all come after the
// instant start and the fence last.
func linearWindow(name string, list []*grant, start time.Duration, last uint64) *Violation {
	var operations []porcupine.Operation
	for _, g := range list {
		for _, o := range g.operations() {
			o.Call = max(o.Call, int64(start))
			if o.Return < o.Call {
				return unordered(name, list, start)
			}
			operations = append(operations, o)
		}
	}
	switch porcupine.CheckOperationsTimeout(mutex(last), operations, giveUp) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		v := violation(Linear, name, "the check of fences %d to %d did not end within %v", list[0].fence, list[len(list)-1].fence, giveUp)
		return &v
	default:
		return unordered(name, list, start)
	}
}

// operations returns the two operations of a grant.
func (g *grant) operations() []porcupine.Operation {
	released := g.released
	if released < g.over() {
		released = never // it had ended otherwise before
	}
	return []porcupine.Operation{
		{Input: operation{owner: g.key, fence: g.fence}, Call: int64(g.called), Return: int64(g.granted)},
		{Input: operation{owner: g.key, fence: g.fence, end: true}, Call: int64(g.over()), Return: int64(released)},
	}
}

// over returns the first instant at which the hold may have ended. One that nobody
// ever believed in may have ended before its grant returned.
func (g *grant) over() time.Duration {
	if !g.believed() {
		return g.called
	}
	return g.end
}

// operation is an acquisition, or the end of a hold.
type operation struct {
	owner key
	fence uint64
	end   bool
}

// state is that of the mutex; the zero owner is nobody.
type state struct {
	owner key
	fence uint64 // of the last grant
}

// mutex is the model; it starts free, after a grant with the fence last.
func mutex(last uint64) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return state{fence: last} },
		Step: func(from, input, _ any) (bool, any) {
			s, o := from.(state), input.(operation)
			if o.end {
				return s.owner == o.owner, state{fence: s.fence}
			}
			return s.owner == key{} && o.fence > s.fence, state{o.owner, o.fence}
		},
	}
}

// unordered says what is wrong with a window: it puts each operation at the first
// instant that it could have had, until one would come after its return.
func unordered(name string, list []*grant, start time.Duration) *Violation {
	at, before := start, (*grant)(nil)
	for _, g := range list {
		at = max(at, g.called)
		if at > g.granted {
			v := violation(Linear, name, "no order explains it: %v; it had returned by then, and what has smaller fences had not ended before %v (%v)", g, at, before)
			if before == nil {
				v = violation(Linear, name, "no order explains it: %v; it had returned by then, and what has smaller fences had not ended before %v", g, at)
			}
			if v = v.during(g.granted, at).of(g); before != nil {
				v = v.of(before)
			}
			return &v
		}
		if g.over() > at {
			at, before = g.over(), g
		}
	}
	v := violation(Linear, name, "no order explains the grants from %v to %v", list[0], list[len(list)-1]).during(list[0].granted, list[len(list)-1].granted)
	return &v
}
