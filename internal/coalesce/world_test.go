package coalesce

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// request is a call of the tests': what it is about, and what is written into it.
type request struct {
	name string
	kind string // those of different kinds may not be together
	id   int
	made int // how often it was in a batch
}

// world makes the calls: each batch takes one second.
type world struct {
	t *testing.T
	*Queue[*request]
	start time.Time

	mu      sync.Mutex // guards the fields below
	batches []batch
	again   map[int]int // how many times more a request is to be made again, by id
}

type batch struct {
	at  time.Duration // since the start
	ids []int
	ctx context.Context
}

const step = time.Second

// bubble runs fn in virtual time. Where goroutines are left behind that linger too long, it
// fails.
func bubble(t *testing.T, most int, fn func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, start: time.Now(), again: map[int]int{}}
		w.Queue = New(Config[*request]{
			Run:      w.run,
			Name:     func(r *request) string { return r.name },
			Together: func(a, b *request) bool { return a.kind == b.kind },
			Most:     most,
		})
		fn(t, w)
		time.Sleep(linger + time.Millisecond)
	})
}

func (w *world) run(ctx context.Context, requests []*request) (again []*request) {
	b := batch{at: time.Since(w.start), ctx: ctx}
	w.mu.Lock()
	for _, r := range requests {
		b.ids = append(b.ids, r.id)
		r.made++
		if w.again[r.id] > 0 {
			w.again[r.id]--
			again = append(again, r)
		}
	}
	w.batches = append(w.batches, b)
	w.mu.Unlock()
	select {
	case <-time.After(step):
	case <-ctx.Done():
	}
	return again
}

// pending is a call that was asked for.
type pending struct {
	request *request
	done    chan struct{}
	err     error         // when done
	took    time.Duration // when done
}

// call asks for a call, and returns when it is under way or waits.
func (w *world) call(ctx context.Context, r *request) *pending {
	p := &pending{request: r, done: make(chan struct{})}
	start := time.Now()
	go func() {
		defer close(p.done)
		p.err = w.Do(ctx, r)
		p.took = time.Since(start)
	}()
	synctest.Wait()
	return p
}

// calls asks for calls of these names, with ids 1, 2, ...
func (w *world) calls(names ...string) (list []*pending) {
	for i, name := range names {
		list = append(list, w.call(w.t.Context(), &request{name: name, id: i + 1}))
	}
	return list
}

// end waits for the calls, all of which are to succeed.
func (w *world) end(list ...*pending) {
	w.t.Helper()
	for _, p := range list {
		if <-p.done; p.err != nil {
			w.t.Errorf("call %d: %v", p.request.id, p.err)
		}
	}
}

// want compares the batches that there were, and when the last of them began.
func (w *world) want(batches ...[]int) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	var got [][]int
	for _, b := range w.batches {
		got = append(got, b.ids)
	}
	if !slices.EqualFunc(got, batches, slices.Equal) {
		w.t.Errorf("batches %v, want %v", got, batches)
	}
}

// at returns when the n-th batch began.
func (w *world) at(n int) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.batches[n].at
}
