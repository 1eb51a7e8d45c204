package postgres

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func (c *client) trying(name string) *call { return acquisition(c.attempt(name), false) }

func (c *client) queueing(name string) *call { return acquisition(c.attempt(name), true) }

func (c *client) releasing(a driver.Attempt) *call { return &call{Attempt: a, release: true} }

// batch makes the calls in one batch, and again for as long as they have to be, in batches
// too. Nobody else is served by c meanwhile.
func (c *client) batch(calls ...*call) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for again := calls; len(again) > 0; {
		again = c.run(ctx, again)
	}
}

// wantHeld fails unless the calls were granted their locks.
func (c *client) wantHeld(calls ...*call) {
	c.t.Helper()
	for _, r := range calls {
		if r.err != nil || !r.reply.Lock.HeldBy(r.Place()) || r.reply.Lock.Fence == 0 {
			c.t.Errorf("Acquire of %q: %+v, %v", r.Name, r.reply.Lock, r.err)
		}
	}
}

// asked is a call that goes through the queue.
type asked struct {
	*call
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of the queue, when done
}

// arriving is a context that tells when somebody first waits for its end.
type arriving struct {
	context.Context
	once  sync.Once
	waits chan struct{}
}

func (a *arriving) Done() <-chan struct{} {
	a.once.Do(func() { close(a.waits) })
	return a.Context.Done()
}

// meanwhile asks for calls while another one is in progress, so that they are the next
// batch. It returns when they wait in the queue and the other goes on.
func (c *client) meanwhile(calls ...*call) (list []*asked) {
	c.t.Helper()
	c.command.turn <- struct{}{}
	c.ask(c.trying("in progress"))
	await(c.t, "the other is in progress", func() bool { return !c.calls.Waiting() })
	for _, r := range calls {
		list = append(list, c.ask(r))
	}
	<-c.command.turn
	return list
}

// ask asks for a call, and returns when it is in the queue.
func (c *client) ask(r *call) *asked {
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	a := &asked{call: r, cancel: cancel, done: make(chan struct{})}
	arrival := &arriving{Context: ctx, waits: make(chan struct{})}
	go func() {
		defer cancel()
		defer close(a.done)
		a.err = c.calls.Do(arrival, r)
	}()
	<-arrival.waits
	return a
}

// finish waits for calls, which are to be made.
func finish(t testing.TB, list ...*asked) {
	t.Helper()
	for _, a := range list {
		if <-a.done; a.err != nil {
			t.Fatalf("the call of %q: %v", a.Name, a.err)
		}
	}
}
