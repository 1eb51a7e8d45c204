package leasehold

import "context"

// Acquire waits its turn for the lock of name, first come first served, and
// returns it held. The caller closes it.
//
// ctx bounds the acquisition only: when it ends, Acquire returns at once, nothing
// of the attempt stays behind, and the error matches ctx's error, and ErrHeld (a
// *HeldError, naming the last holder seen) if it had to wait. The lock outlives
// ctx. Outages of the database are ridden out until ctx ends; an error that no
// waiting can cure is returned at once. ErrClosed: the client was closed.
//
// The same client acquiring a name it holds waits like anybody else, so a goroutine
// that holds a lock and acquires it again waits for itself until ctx ends.
//
// Any number of goroutines of one client that wait for one name have one place in the
// database's queue: clients are served first come, first served, and in each client its
// goroutines are. When the one whose turn it is gives up, the next one keeps the place.
//
// A free lock costs one round trip and one commit (two when the client had no
// lease); a held one costs the same, then one read about every sixth of the TTL
// for all waiters of the client together, and one read when the turn comes. While others
// of the client wait for the same name it costs nothing but memory, a few hundred bytes.
func (c *Client) Acquire(ctx context.Context, name string, opts ...Option) (*Lock, error) {
	return c.acquire(ctx, "acquire", name, true, opts)
}

// TryAcquire returns the lock of name if it is free, or if its holder is known to
// be dead. Otherwise it holds nothing and the error is a *HeldError, which matches
// ErrHeld. It overtakes nobody who is in the database's queue, and stands in no line
// itself.
//
// A holder is known to be dead when the store says so, when its lease is gone, or
// when its lease is overdue by more than Config.Tolerance. A failing database is
// tried again for as long as the TTL, then the error matches ErrUnavailable.
//
// One round trip when free, two when held.
func (c *Client) TryAcquire(ctx context.Context, name string, opts ...Option) (*Lock, error) {
	return c.acquire(ctx, "try", name, false, opts)
}

// acquire is where those who wait are, most of them in turn: what is not needed while
// they do is done in functions of their own, so that their stacks stay at the smallest size.
func (c *Client) acquire(ctx context.Context, op, name string, wait bool, opts []Option) (*Lock, error) {
	r, err := c.request(ctx, op, name, wait, opts)
	if err != nil {
		return nil, err
	}
	defer r.done()
	if err := r.turn(ctx); err != nil {
		return nil, r.fail(ctx, err)
	}
	return r.run(ctx)
}
