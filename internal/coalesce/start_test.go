package coalesce

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// startCall asks for a call, and is told of it without waiting.
func (w *world) startCall(ctx context.Context, r *request) *pending {
	p := &pending{request: r, done: make(chan struct{})}
	start := time.Now()
	w.Start(ctx, r, func(err error) {
		p.err, p.took = err, time.Since(start)
		close(p.done)
	})
	return p
}

// Calls that are started and calls that are waited for share batches, in the order in which
// they came.
func TestStart(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		ctx := t.Context()
		list := []*pending{w.startCall(ctx, &request{name: "a", id: 1})}
		synctest.Wait()
		list = append(list, w.startCall(ctx, &request{name: "b", id: 2}), w.call(ctx, &request{name: "c", id: 3}),
			w.startCall(ctx, &request{name: "b", id: 4}))
		w.end(list...)
		w.want([]int{1}, []int{2, 3}, []int{4})
		time.Sleep(10 * linger)
		last := w.call(ctx, &request{name: "a", id: 5})
		behind := w.startCall(ctx, &request{name: "a", id: 6})
		w.end(last, behind)
		if behind.took != 2*step {
			t.Errorf("behind a call that its caller made: %v", behind.took)
		}
	})
}

// One whose context ends before its turn is told so, and not made.
func TestStartThatIsTooLate(t *testing.T) {
	bubble(t, 10, func(t *testing.T, w *world) {
		first := w.call(t.Context(), &request{name: "a", id: 1})
		ctx, cancel := context.WithTimeout(t.Context(), step/2)
		defer cancel()
		late := w.startCall(ctx, &request{name: "b", id: 2})
		w.end(first)
		if <-late.done; !errors.Is(late.err, context.DeadlineExceeded) {
			t.Errorf("error %v", late.err)
		}
		w.want([]int{1})
	})
}

// A call alone that is waited for needs no goroutine: its caller makes it.
func TestACallAloneNeedsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var in [32]uintptr
		depth := 0
		q := New(Config[*request]{
			Run: func(context.Context, []*request) []*request {
				depth = runtime.Callers(0, in[:])
				return nil
			},
			Name: func(r *request) string { return r.name },
			Most: 10,
		})
		if err := q.Do(t.Context(), &request{name: "a"}); err != nil {
			t.Fatal(err)
		}
		frames, inTest := runtime.CallersFrames(in[:depth]), false
		for more := true; more; {
			var f runtime.Frame
			f, more = frames.Next()
			inTest = inTest || f.Function == "testing.tRunner"
		}
		if !inTest || q.working {
			t.Errorf("it was made elsewhere: %v, %v", inTest, q.working)
		}
	})
}

// However the turns of callers and of the goroutine meet, every call is made.
func TestTurnsMeet(t *testing.T) {
	q := New(Config[*request]{
		Run: func(_ context.Context, batch []*request) []*request {
			for _, r := range batch {
				r.made++
			}
			runtime.Gosched()
			return nil
		},
		Name:     func(r *request) string { return r.name },
		Together: func(_, _ *request) bool { return true },
		Most:     10,
	})
	done := make(chan struct{})
	for i := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for n := range 5000 {
				r, told := &request{name: string(rune('a' + (i+n)%5))}, make(chan error, 1)
				if i%2 == 0 {
					told <- q.Do(t.Context(), r)
				} else {
					q.Start(t.Context(), r, func(err error) { told <- err })
				}
				if err := <-told; err != nil || r.made != 1 {
					t.Errorf("made %d times: %v", r.made, err)
				}
			}
		}()
	}
	for range 8 {
		<-done
	}
}

// Telling the callers of a large batch does not keep the next one waiting.
func TestTellingManyDelaysNobody(t *testing.T) {
	bubble(t, 2*many, func(t *testing.T, w *world) {
		ctx := t.Context()
		first := w.call(ctx, &request{name: "first"})
		told := make(chan struct{}, many)
		for i := range many {
			w.Start(ctx, &request{name: string(rune('A' + i)), id: i}, func(error) {
				time.Sleep(step) // as it should not
				told <- struct{}{}
			})
		}
		w.end(first)
		synctest.Wait() // they are being made
		next := w.startCall(ctx, &request{name: "next"})
		w.end(next)
		if next.took != 2*step {
			t.Errorf("the next batch was done after %v", next.took)
		}
		for range many {
			<-told
		}
	})
}
