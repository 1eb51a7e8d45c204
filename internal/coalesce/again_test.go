package coalesce

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// What is to be made again goes before what waits, and with it.
func TestAgainGoesFirstAndWithOthers(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		w.again[2], w.again[3] = 2, 1
		list := w.calls("a", "b", "c", "d", "e", "b")
		w.end(list...)
		w.want([]int{1}, []int{2, 3, 4}, []int{2, 3, 5}, []int{2}, []int{6})
		if took := list[1].took; took != 4*step {
			t.Errorf("the one that was made three times took %v", took)
		}
		if list[3].took != 2*step {
			t.Errorf("one beside it took %v: it need not wait for that", list[3].took)
		}
	})
}

// A call that was alone is made again with those that came meanwhile, and its caller waits.
func TestAgainAfterACallAlone(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		w.again[1] = 1
		list := w.calls("a", "b", "a")
		w.end(list...)
		w.want([]int{1}, []int{1, 2}, []int{3})
		if list[0].took != 2*step {
			t.Errorf("it took %v", list[0].took)
		}
	})
	bubble(t, 3, func(t *testing.T, w *world) {
		w.again[1] = 3 // and nobody else comes
		w.end(w.calls("a")...)
		w.want([]int{1}, []int{1}, []int{1}, []int{1})
	})
}

// One that is to be made again is made no more when nobody waits for it.
func TestAgainEndsWithTheContext(t *testing.T) {
	bubble(t, 3, func(t *testing.T, w *world) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*step+step/2)
		defer cancel()
		w.again[1] = 1000
		p := w.call(ctx, &request{name: "a", id: 1})
		other := w.call(t.Context(), &request{name: "b", id: 2})
		<-p.done
		if p.err == nil || p.took != 2*step+step/2 {
			t.Errorf("%v after %v", p.err, p.took)
		}
		w.end(other)
		time.Sleep(10 * step)
		synctest.Wait()
		if n := p.request.made; n > 4 {
			t.Errorf("it was made %d times, to the end of its context at the latest", n)
		}
	})
}
