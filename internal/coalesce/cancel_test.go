package coalesce

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A call whose context has ended is not made; neither is one whose context ends while it
// waits, which returns at once.
func TestACallThatEndsBeforeItsTurnIsNotMade(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := w.Do(ended, &request{name: "x", id: 9}); !errors.Is(err, context.Canceled) {
			t.Errorf("a call under an ended context: %v", err)
		}
		first := w.call(t.Context(), &request{name: "a", id: 1})
		ctx, cancel := context.WithTimeout(t.Context(), step/4)
		defer cancel()
		gone := w.call(ctx, &request{name: "b", id: 2})
		last := w.call(t.Context(), &request{name: "b", id: 3})
		<-gone.done
		if !errors.Is(gone.err, context.DeadlineExceeded) || gone.took != step/4 {
			t.Errorf("%v after %v", gone.err, gone.took)
		}
		w.end(first, last)
		w.want([]int{1}, []int{3})
	})
}

// All who wait give up: nothing is made, and the next call finds the queue free.
func TestAllGiveUp(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		first := w.call(t.Context(), &request{name: "a", id: 1})
		ctx, cancel := context.WithCancel(t.Context())
		w.call(ctx, &request{name: "b", id: 2})
		w.call(ctx, &request{name: "c", id: 3})
		cancel()
		w.end(first)
		synctest.Wait()
		next := w.call(t.Context(), &request{name: "d", id: 4})
		w.end(next)
		w.want([]int{1}, []int{4})
		if next.took != step {
			t.Errorf("the next call took %v", next.took)
		}
	})
}

// Ending one call of a batch in progress leaves the others alone: it returns at once,
// and the batch goes on to its end.
func TestEndingOneLeavesTheOthersAlone(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		first := w.call(t.Context(), &request{name: "a", id: 1})
		ctx, cancel := context.WithCancel(t.Context())
		gone := w.call(ctx, &request{name: "b", id: 2})
		others := []*pending{
			w.call(t.Context(), &request{name: "c", id: 3}),
			w.call(t.Context(), &request{name: "d", id: 4}),
		}
		w.end(first)
		time.Sleep(step / 2)
		cancel()
		<-gone.done
		if !errors.Is(gone.err, context.Canceled) || gone.took != step+step/2 {
			t.Errorf("%v after %v", gone.err, gone.took)
		}
		w.end(others...)
		for _, p := range others {
			if p.took != 2*step {
				t.Errorf("call %d took %v", p.request.id, p.took)
			}
		}
		w.want([]int{1}, []int{2, 3, 4})
	})
}

// The context of a batch ends with the latest of its calls' deadlines, and with none if
// one has none; that of a call alone is its own.
func TestTheContextOfABatch(t *testing.T) {
	deadline := func(ctx context.Context) (in time.Duration) {
		if at, ok := ctx.Deadline(); ok {
			in = time.Until(at)
		}
		return in
	}
	for _, test := range []struct {
		name string
		ends []time.Duration // of the calls; 0: never
		want time.Duration
	}{
		{"One", []time.Duration{5 * step}, 5 * step},
		{"Latest", []time.Duration{5 * step, 9 * step, 7 * step}, 9 * step},
		{"Never", []time.Duration{5 * step, 0, 7 * step}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, 10, func(t *testing.T, w *world) {
				list := []*pending{w.call(t.Context(), &request{name: "first"})}
				for i, end := range test.ends {
					ctx, cancel := t.Context(), func() {}
					if end > 0 {
						ctx, cancel = context.WithTimeout(ctx, end)
					}
					defer cancel()
					list = append(list, w.call(ctx, &request{name: string(rune('a' + i)), id: i + 1}))
				}
				w.end(list[0])
				synctest.Wait()
				if got := deadline(w.batches[1].ctx); got != max(test.want-step, 0) {
					t.Errorf("the batch's context ends in %v, want %v", got, test.want-step)
				}
				w.end(list...)
				if len(test.ends) > 1 && w.batches[1].ctx.Err() == nil {
					t.Error("the batch's context outlives it")
				}
			})
		})
	}
}

// A batch that hangs ends when the last of its callers has run out of time, and those
// behind it go on.
func TestABatchThatHangsEndsWithItsCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(Config[*request]{
			Run: func(ctx context.Context, requests []*request) []*request {
				if requests[0].kind == "hangs" {
					<-ctx.Done()
				}
				return nil
			},
			Name:     func(r *request) string { return r.name },
			Together: func(a, b *request) bool { return true },
			Most:     10,
		})
		start := time.Now()
		for i, end := range []time.Duration{step, 3 * step, 4 * step} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), end)
				defer cancel()
				_ = q.Do(ctx, &request{name: string(rune('a' + i)), kind: "hangs"})
			}()
			synctest.Wait()
		}
		time.Sleep(2 * step) // the other two are in progress
		after := make(chan error)
		go func() { after <- q.Do(t.Context(), &request{name: "after"}) }()
		synctest.Wait()
		if err := <-after; err != nil || time.Since(start) != 4*step {
			t.Errorf("the call behind them: %v after %v", err, time.Since(start))
		}
		time.Sleep(linger + time.Millisecond)
	})
}
