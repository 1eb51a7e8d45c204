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
// A call that finds nothing in progress is made by its caller, if that waits for it. All
// others are made by one goroutine, which stays for a moment when there are none: one that
// begins anew has to grow its stack anew, which costs as much as half of a call.
type Queue[R comparable] struct {
	cfg    Config[R]
	signal chan struct{} // holds one request to go on

	mu      sync.Mutex          // guards the fields below
	busy    bool                // calls are being made, or are about to be
	working bool                // the goroutine is there
	waiting []*call[R]          // not yet made, in the order in which they came; none, unless busy
	named   map[string]struct{} // for divide, which leaves it empty

	ends sync.Pool // channels of calls that have ended; they are empty

	// They belong to whoever makes calls.
	running []*call[R] // by the goroutine, and not told yet
	told    int        // how many were told last
}

// linger is how long the goroutine stays without calls.
const linger = 100 * time.Millisecond

// Config says how calls are made.
type Config[R comparable] struct {
	// Run makes the calls and writes their results, and returns those that are to be
	// made again, before the next ones and perhaps with them. It runs once at a time,
	// and returns soon after ctx has ended. It may Take more calls, and may tell of some
	// with Made before it returns.
	Run func(ctx context.Context, batch []R) (again []R)
	// Name returns what a call is about. No batch holds two calls of one name.
	Name func(R) string
	// Together reports whether two calls of different names may be in one batch.
	Together func(a, b R) bool
	// Most is how many calls a batch may hold.
	Most int
	// Flow, if it is not 0, is how many calls make a batch worth its cost. Where there are
	// more, they are spread over several batches, so that some are in progress while the
	// callers of others are told, and ask again.
	Flow int
}

// call is one of those. It is told once that the results are written, or why it was not
// made: through done, or if there is none, through ended.
type call[R comparable] struct {
	ctx     context.Context
	request R
	done    func(error)
	ended   chan error // holds one
}

func (c *call[R]) tell(err error) {
	if c.done != nil {
		c.done(err)
	} else {
		c.ended <- err
	}
}

// New returns an empty Queue.
func New[R comparable](cfg Config[R]) *Queue[R] {
	q := &Queue[R]{cfg: cfg, signal: make(chan struct{}, 1), named: map[string]struct{}{}}
	q.ends.New = func() any { return make(chan error, 1) }
	return q
}

// Do makes a call, and returns nil when its results are written. If ctx ends first it
// returns ctx's error soon: the call may then be made or not, whatever was in one
// batch with it goes on, and the request belongs to the Queue.
func (q *Queue[R]) Do(ctx context.Context, request R) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if q.occupy() {
		if again := q.cfg.Run(ctx, []R{request}); len(again) > 0 {
			return q.await(ctx, request, q.handOver)
		}
		q.handOver(nil)
		return nil
	}
	return q.await(ctx, request, q.enter)
}

// await returns when a call that is given to the goroutine is done, or ctx ends.
func (q *Queue[R]) await(ctx context.Context, request R, give func(*call[R])) error {
	ended := q.ends.Get().(chan error)
	give(&call[R]{ctx: ctx, request: request, ended: ended})
	select {
	case err := <-ended:
		q.ends.Put(ended)
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Start makes a call, which done is told of once, in another goroutine: nil when its results
// are written, or ctx's error if it was not made before ctx ended. That is soon after ctx
// ends at the latest, for as long as Run keeps its word. done does not block.
func (q *Queue[R]) Start(ctx context.Context, request R, done func(error)) {
	q.enter(&call[R]{ctx: ctx, request: request, done: done})
}

// Waiting reports whether calls wait to be made.
func (q *Queue[R]) Waiting() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting) > 0
}

// occupy reports whether nothing was in progress. The caller then makes one call, and
// calls handOver.
func (q *Queue[R]) occupy() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy {
		return false
	}
	q.busy = true
	return true
}

// handOver ends the turn of a caller who made its call itself, which is to be made
// again, before all others, if c is not nil.
func (q *Queue[R]) handOver(c *call[R]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c != nil {
		q.waiting = slices.Insert(q.waiting, 0, c)
	}
	if q.busy = len(q.waiting) > 0; q.busy {
		q.wake()
	}
}

// enter makes sure that the call will be made.
func (q *Queue[R]) enter(c *call[R]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, c)
	if !q.busy {
		q.busy = true
		q.wake()
	}
}

// wake makes the goroutine go on. q.mu is held, and q.busy has just been set.
func (q *Queue[R]) wake() {
	if !q.working {
		q.working = true
		go q.work()
		return
	}
	q.signal <- struct{}{}
}

// work makes all calls that wait, whenever there is a signal, until it has been idle for long.
func (q *Queue[R]) work() {
	timer := time.NewTimer(linger)
	defer timer.Stop()
	for {
		for batch := q.take(); len(batch) > 0; batch = q.take() {
			q.makeTogether(batch)
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

// leave reports whether the goroutine may end: nothing is for it to do.
func (q *Queue[R]) leave() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.working = len(q.signal) > 0
	return !q.working
}

// makeTogether makes the calls of a batch, and tells their callers.
func (q *Queue[R]) makeTogether(batch []*call[R]) {
	ctx, cancel := shared(batch)
	defer cancel()
	q.running = batch
	again := q.cfg.Run(ctx, requests(batch))
	batch, q.running = q.running, nil
	if len(again) > 0 {
		batch = q.putBack(batch, again)
	}
	q.tell(batch)
}

func requests[R comparable](batch []*call[R]) []R {
	list := make([]R, len(batch))
	for i, c := range batch {
		list[i] = c.request
	}
	return list
}

// tell tells callers that their calls were made.
func (q *Queue[R]) tell(batch []*call[R]) {
	q.told = len(batch)
	if len(batch) < many {
		tell(batch)
	} else {
		go tell(batch)
	}
}

// many is from how many calls on the next batch does not wait until all their callers have
// been told.
const many = 16

func tell[R comparable](batch []*call[R]) {
	for _, c := range batch {
		c.tell(nil)
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
