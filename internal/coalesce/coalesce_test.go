package coalesce

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// A call that finds nothing in progress is made at once, also when the goroutine that makes
// it has just ended, or is about to.
func TestACallAloneIsMadeAtOnce(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		for i := range 3 {
			if err := w.Do(t.Context(), &request{name: "a", id: i}); err != nil {
				t.Error(err)
			}
			if at := w.at(i); at != time.Duration(i)*step {
				t.Errorf("call %d was made at %v", i, at)
			}
		}
		for i, pause := range []time.Duration{linger, linger - 1, linger + 1, 10 * linger} {
			time.Sleep(pause)
			begin := time.Now()
			if err := w.Do(t.Context(), &request{name: "a", id: 10 + i}); err != nil || time.Since(begin) != step {
				t.Errorf("after %v: %v, %v", pause, time.Since(begin), err)
			}
		}
	})
}

// What arrives while a call is in progress forms the next batch, which begins when that
// ends; nobody waits for more to come.
func TestWhatArrivesMeanwhileIsMadeTogether(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		list := w.calls("a", "b", "c", "d")
		time.Sleep(step + step/2) // within the second batch
		list = append(list, w.call(t.Context(), &request{name: "e", id: 5}))
		w.end(list...)
		w.want([]int{1}, []int{2, 3, 4}, []int{5})
		if at := w.at(2); at != 2*step {
			t.Errorf("the third batch began at %v, want %v", at, 2*step)
		}
		for _, p := range list[1:4] {
			if p.took != 2*step {
				t.Errorf("call %d took %v", p.request.id, p.took)
			}
		}
	})
}

// No batch has a name twice, and calls of one name are made in their order, also where
// the later one would have fitted and the earlier one did not.
func TestANameIsMadeInOrder(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		w.end(w.calls("a", "b", "b", "c", "b", "c")...)
		w.want([]int{1}, []int{2, 4}, []int{3, 6}, []int{5})
	})
	bubble(t, 10, func(t *testing.T, w *world) {
		ctx := t.Context()
		w.end(
			w.call(ctx, &request{name: "a", id: 1}),
			w.call(ctx, &request{name: "b", id: 2}),
			w.call(ctx, &request{name: "c", id: 3, kind: "other"}),
			w.call(ctx, &request{name: "c", id: 4}),
			w.call(ctx, &request{name: "d", id: 5}),
		)
		w.want([]int{1}, []int{2, 5}, []int{3}, []int{4})
	})
}

// Calls that may not be together are in batches of their own, the earliest first.
func TestTogether(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		var list []*pending
		for i, kind := range []string{"x", "x", "y", "x", "y", "z"} {
			list = append(list, w.call(t.Context(), &request{name: fmt.Sprint(i), kind: kind, id: i}))
		}
		w.end(list...)
		w.want([]int{0}, []int{1, 3}, []int{2, 4}, []int{5})
	})
}

// A batch holds no more than Most.
func TestMost(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		w.end(w.calls("a", "b", "c", "d", "e", "f")...)
		w.want([]int{1}, []int{2, 3}, []int{4, 5}, []int{6})
	})
}

// However many come, whoever waits is made in the order of coming: a call waits for
// those before it, and for no others.
func TestNobodyStarves(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		w.calls("first")
		var list []*pending
		for i := range 60 {
			name := fmt.Sprint(i)
			if i%3 == 0 {
				name = "hot"
			}
			list = append(list, w.call(t.Context(), &request{name: name, id: i}))
			if i%6 == 5 {
				time.Sleep(step) // more come than are made
			}
		}
		w.end(list...)
		for i, p := range list {
			// Before it there are at most its elders, of which each batch makes at
			// least one.
			if limit := time.Duration(i+2) * step; p.took > limit {
				t.Errorf("call %d took %v, want %v at most", i, p.took, limit)
			}
		}
		var hot []int
		for _, b := range w.batches[1:] {
			for _, id := range b.ids {
				if id%3 == 0 {
					hot = append(hot, id)
				}
			}
		}
		if len(hot) != 20 || !slices.IsSorted(hot) {
			t.Errorf("calls of one name were made in the order %v", hot)
		}
	})
}

// Waiting reports what waits, and not what is in progress.
func TestWaiting(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		if w.Waiting() {
			t.Error("an empty queue")
		}
		first := w.call(t.Context(), &request{name: "a", id: 1})
		if w.Waiting() {
			t.Error("while a call is in progress, and none waits")
		}
		second := w.call(t.Context(), &request{name: "b", id: 2})
		if !w.Waiting() {
			t.Error("one waits, and is not reported")
		}
		w.end(first)
		synctest.Wait()
		if w.Waiting() {
			t.Error("while the second is in progress")
		}
		w.end(second)
	})
}
