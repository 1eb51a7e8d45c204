package explore

import (
	"hash/maphash"
	"slices"
)

// explorer goes through all states, those with fewer steps first.
type explorer struct {
	seed    maphash.Seed
	encoder encoder
	seen    map[uint64]struct{}
	settled map[uint64]struct{}
	origins []origin
}

// origin says how a state was reached first.
type origin struct {
	parent int32
	nth    int32 // of the parent's steps
}

// entry is a state whose steps were not taken yet.
type entry struct {
	world *world
	at    int32 // in origins
}

// Run tries every order of events within the bounds, until one breaks a rule.
func Run(b Bounds) Result {
	x := &explorer{seed: maphash.MakeSeed(), seen: map[uint64]struct{}{}, settled: map[uint64]struct{}{}}
	first := newWorld(&b)
	x.origins = append(x.origins, origin{parent: -1})
	x.seen[x.key(first)] = struct{}{}
	result := Result{Bounds: b, Complete: true}
	for level := []entry{{first, 0}}; len(level) > 0; result.Depth++ {
		next, broken := x.expand(level, b.MaxStates)
		result.States = len(x.origins)
		if broken != "" {
			result.Broken, result.Steps, result.Complete = broken, x.retrace(&b), false
			return result
		}
		if b.MaxStates > 0 && result.States >= b.MaxStates {
			result.Complete = false
			return result
		}
		level = next
	}
	return result
}

// expand takes every step from every state of one level. If a rule is broken, the last
// of origins is the state.
func (x *explorer) expand(level []entry, limit int) (next []entry, broken string) {
	var steps []step
	for _, e := range level {
		steps = e.world.steps(steps[:0])
		for nth, s := range steps {
			w := e.world.clone()
			w.take(s)
			key := x.key(w)
			if _, known := x.seen[key]; known && w.broken == "" {
				continue
			}
			x.seen[key] = struct{}{}
			x.origins = append(x.origins, origin{e.at, int32(nth)})
			if broken = w.broke(); broken == "" {
				broken = x.settle(w)
			}
			if broken != "" {
				return nil, broken
			}
			next = append(next, entry{w, int32(len(x.origins) - 1)})
		}
		if limit > 0 && len(x.origins) >= limit {
			return next, ""
		}
	}
	return next, ""
}

func (x *explorer) key(w *world) uint64 {
	return maphash.Bytes(x.seed, x.encoder.encode(w))
}

// retrace describes the steps to the last state.
func (x *explorer) retrace(b *Bounds) []string {
	var nths []int32
	for at := int32(len(x.origins) - 1); at > 0; at = x.origins[at].parent {
		nths = append(nths, x.origins[at].nth)
	}
	w := newWorld(b)
	var told []string
	for _, nth := range slices.Backward(nths) {
		s := w.steps(nil)[nth]
		told = append(told, w.describe(s))
		w.take(s)
	}
	return told
}
