package keyed

import (
	"context"
	"sync"
)

// inbox is where calls are left for the worker. Nothing is locked under its mutex, so
// whoever holds other locks may leave one there.
type inbox struct {
	mu     sync.Mutex // guards the fields below
	isOpen bool
	calls  []*call
}

func (in *inbox) open() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.isOpen = true
}

// close returns what is left. From here on nothing is put in.
func (in *inbox) close() []*call {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.isOpen = false
	left := in.calls
	in.calls = nil
	return left
}

// put reports whether the call will be made.
func (in *inbox) put(c *call) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.isOpen {
		in.calls = append(in.calls, c)
	}
	return in.isOpen
}

// take empties the inbox.
func (in *inbox) take() []*call {
	in.mu.Lock()
	defer in.mu.Unlock()
	calls := in.calls
	in.calls = nil
	return calls
}

// submit leaves a call for the worker.
func (t *Table) submit(c *call) {
	if t.inbox.put(c) {
		t.poke()
		return
	}
	c.late = errClosed
	go c.finish() // the caller may hold what that needs
}

// poke makes the worker look.
func (t *Table) poke() {
	select {
	case t.signal <- struct{}{}:
	default:
	}
}

// do makes a call on a name, and waits for its end.
func (t *Table) do(ctx context.Context, closed <-chan struct{}, c *call) error {
	done := make(chan struct{})
	c.finish = func() { close(done) }
	t.submit(c)
	select {
	case <-done:
		return c.result()
	case <-ctx.Done():
		return ctx.Err()
	case <-closed:
		return errClosed
	}
}
