// Package coalesce makes calls together that arrive while others are in progress.
//
// It does not wait for calls to arrive: one that finds nothing in progress is made at
// once. It promises nothing about the order of
// calls of different names; those of one name are made in the order in which they came.
package coalesce

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Queue holds calls until they are made. R is a pointer to a request, into which the
// results are written. It is safe for concurrent use.
//
// One goroutine makes the calls. It stays for a moment when there are none: a goroutine
// that begins anew has to grow its stack anew, which costs as much as half of a call.
type Queue[R comparable] struct {
	cfg    Config[R]
	signal chan struct{} // holds one request to go on

	mu      sync.Mutex // guards the fields below
	working bool       // the goroutine is there
	idle    bool       // and waits for a signal
	waiting []*call[R] // not yet made, in the order in which they came
}

// linger is how long the goroutine stays without calls.
const linger = 100 * time.Millisecond

// Config says how calls are made.
type Config[R comparable] struct {
	// Run makes the calls and writes their results, and returns those that are to be
	// made again, before the next ones and perhaps with them. It runs once at a time,
	// and returns soon after ctx has ended.
	Run func(ctx context.Context, batch []R) (again []R)
	// Name returns what a call is about. No batch holds two calls of one name.
	Name func(R) string
	// Together reports whether two calls of different names may be in one batch.
	Together func(a, b R) bool
	// Most is how many calls a batch may hold.
	Most int
}

type call[R comparable] struct {
	ctx     context.Context
	request R
	done    chan struct{}
}

// New returns an empty Queue.
func New[R comparable](cfg Config[R]) *Queue[R] {
	return &Queue[R]{cfg: cfg, signal: make(chan struct{}, 1)}
}

// Do makes a call, and returns nil when its results are written. If ctx ends first it
// returns ctx's error at once: the call may then be made or not, whatever was in one
// batch with it goes on, and the request belongs to the Queue.
func (q *Queue[R]) Do(ctx context.Context, request R) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &call[R]{ctx: ctx, request: request, done: make(chan struct{})}
	q.enter(c)
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Waiting reports whether calls wait to be made.
func (q *Queue[R]) Waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// enter makes sure that the call will be made.
func (q *Queue[R]) enter(c *call[R]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, c)
	switch {
	case !q.working:
		q.working = true
		go q.work()
	case q.idle:
		q.idle = false
		q.signal <- struct{}{}
	}
}

// work makes all calls that wait, and those that come before it has been idle for long.
func (q *Queue[R]) work() {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		for batch := q.take(); len(batch) > 0; batch = q.take() {
			q.run(batch)
		}
		timer.Reset(linger)
		select {
		case <-q.signal:
		case <-timer.C:
			if q.leave() {
				return
			}
			<-q.signal
		}
	}
}

// leave reports whether the goroutine may end: no call has come.
func (q *Queue[R]) leave() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.working = !q.idle
	return q.idle
}

// take returns the calls to make next; none, and the next one gives a signal, if nobody
// waits.
func (q *Queue[R]) take() []*call[R] {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []*call[R]
	rest := q.waiting[:0]
	names := make(map[string]struct{}, len(q.waiting))
	for _, c := range q.waiting {
		if c.ctx.Err() != nil {
			continue // nobody waits for it
		}
		name := q.cfg.Name(c.request)
		_, named := names[name]
		names[name] = struct{}{} // what comes later of this name comes later
		if named || len(batch) == q.cfg.Most || len(batch) > 0 && !q.cfg.Together(batch[0].request, c.request) {
			rest = append(rest, c)
		} else {
			batch = append(batch, c)
		}
	}
	clear(q.waiting[len(rest):])
	q.waiting = rest
	q.idle = len(batch) == 0
	return batch
}

func (q *Queue[R]) run(batch []*call[R]) {
	ctx, cancel := shared(batch)
	defer cancel()
	requests := make([]R, len(batch))
	for i, c := range batch {
		requests[i] = c.request
	}
	again := q.cfg.Run(ctx, requests)
	if len(again) > 0 {
		batch = q.putBack(batch, again)
	}
	for _, c := range batch {
		close(c.done)
	}
}

// putBack makes calls wait again, before all others, and returns the rest of the batch.
func (q *Queue[R]) putBack(batch []*call[R], again []R) (rest []*call[R]) {
	var first []*call[R]
	for _, c := range batch {
		if slices.Contains(again, c.request) {
			first = append(first, c)
		} else {
			rest = append(rest, c)
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(first, q.waiting...)
	return rest
}

// shared returns a context for a batch: that of its only call, or one that ends at the
// latest of all deadlines.
func shared[R comparable](batch []*call[R]) (context.Context, context.CancelFunc) {
	if len(batch) == 1 {
		return batch[0].ctx, func() {}
	}
	var latest time.Time
	for _, c := range batch {
		deadline, ok := c.ctx.Deadline()
		if !ok {
			return context.WithCancel(context.Background())
		}
		if deadline.After(latest) {
			latest = deadline
		}
	}
	return context.WithDeadline(context.Background(), latest)
}
