package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/internal/keyed"
)

var (
	errStuck = errors.New("the server has not answered for a whole TTL")
	errEnded = errors.New("the server has ended the session")
)

// named is one connection that holds named locks, and two that serve it: one that waits for
// its end, since nobody reads from a connection of the driver's that is idle, and one that
// draws fences, whose commit may take longer than a renewal is to wait.
type named struct {
	db     *sql.DB
	own    bool // db is ours
	id     int64
	main   *session // the worker's own
	fences string   // the table; empty: there is none
	guards string   // the same

	watch *link
	side  *link

	ctx   context.Context // ends with the session
	stop  context.CancelFunc
	ended chan struct{}
	signs chan struct{}  // holds one request to look for errands
	wg    sync.WaitGroup // of our goroutines
	dials sync.WaitGroup // of the links, in progress

	mu       sync.Mutex // guards the fields below
	patience time.Duration
	errands  []*errand
	cause    error // why the session ended; nil while it lasts
}

// errand is something to be done on the connection that holds the locks.
type errand struct {
	do   func(context.Context, *session) error
	done func(error) // does not block
}

var _ keyed.Session = (*named)(nil)

func newNamed(db *sql.DB, own bool, ttl time.Duration) *named {
	h := &named{db: db, own: own, patience: ttl, ended: make(chan struct{}), signs: make(chan struct{}, 1)}
	h.ctx, h.stop = context.WithCancel(context.Background())
	h.watch, h.side = h.link(0), h.link(min(ttl/2, longestStatement))
	return h
}

func (h *named) link(patience time.Duration) *link {
	return &link{db: h.db, life: h.ctx, dials: &h.dials, multi: h.own, patience: patience, turn: make(chan struct{}, 1)}
}

// start starts the goroutines.
func (h *named) start() {
	h.wg.Go(h.work)
	h.wg.Go(h.await)
}

// Ended implements keyed.Session.
func (h *named) Ended() <-chan struct{} { return h.ended }

// Cause implements keyed.Session.
func (h *named) Cause() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cause
}

// Fail implements keyed.Session.
func (h *named) Fail(cause error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cause == nil {
		h.cause = cause
		h.stop()
		close(h.ended)
	}
}

// Close implements keyed.Session.
func (h *named) Close() {
	h.Fail(keyed.ErrClosed)
	h.wg.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), politeness)
	defer cancel()
	idle := h.watch.close(ctx)
	if h.side.close(ctx) && idle {
		h.dials.Wait()
	}
	if h.main != nil && !h.main.broken {
		h.main.discard()
	}
	if h.own {
		_ = h.db.Close() // it has no connection left that could fail to close
	}
}

// beside runs fn on the connection beside the one that holds the locks, under a context that
// also ends with the session.
func (h *named) beside(ctx context.Context, fn func(context.Context, *session) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.ctx, cancel)()
	return h.side.use(ctx, fn)
}

// give has an errand run after those before it. If the session has ended, it is over at
// once.
func (h *named) give(e *errand) {
	h.mu.Lock()
	cause := h.cause
	if cause == nil {
		h.errands = append(h.errands, e)
	}
	h.mu.Unlock()
	if cause != nil {
		e.done(cause)
		return
	}
	select {
	case h.signs <- struct{}{}:
	default:
	}
}

// take returns the errands that there are.
func (h *named) take() []*errand {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := h.errands
	h.errands = nil
	return all
}

// work runs errands until the session ends.
func (h *named) work() {
	for h.ctx.Err() == nil {
		select {
		case <-h.signs:
		case <-h.ctx.Done():
		}
		for _, e := range h.take() {
			e.done(h.run(e))
		}
	}
	for _, e := range h.take() { // none is added any more
		e.done(h.Cause())
	}
	h.main.discard()
}

// run runs an errand. A connection that broke ends the session.
func (h *named) run(e *errand) error {
	if cause := h.Cause(); cause != nil {
		return cause
	}
	ctx, cancel := context.WithTimeout(h.ctx, h.bound())
	defer cancel()
	err := e.do(ctx, h.main)
	if h.main.broken {
		if ctx.Err() != nil {
			err = errStuck
		}
		h.Fail(fmt.Errorf("the connection was lost: %w", err))
		return h.Cause()
	}
	return err
}

func (h *named) bound() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.patience
}

// exchange runs an errand and waits for its end. The errand goes on if ctx ends.
func (h *named) exchange(ctx context.Context, do func(context.Context, *session) error) error {
	came := make(chan error, 1)
	h.give(&errand{do: do, done: func(err error) { came <- err }})
	select {
	case err := <-came:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
