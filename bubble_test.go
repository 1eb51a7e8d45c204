package leasehold_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

// The engine's tests run in virtual time. TTL 10 s: renewals every 3.333 s,
// margin 250 ms, so trust lasts 9.75 s from the sending of a renewal.
const (
	ttl    = 10 * time.Second
	margin = 250 * time.Millisecond
	trust  = ttl - margin
)

// bubble runs f in virtual time on a store of its own.
func bubble(t *testing.T, f func(t *testing.T, store *memory.Store)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { f(t, memory.New()) })
}

func open(t *testing.T, store *memory.Store, cfg leasehold.Config) *leasehold.Client {
	t.Helper()
	if cfg.TTL == 0 {
		cfg.TTL = ttl
	}
	client, err := leasehold.Open(t.Context(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

func acquire(t *testing.T, client *leasehold.Client, name string) *leasehold.Lock {
	t.Helper()
	lock, err := client.Acquire(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return lock
}

// lossAt returns when the lock's context ended, measured from start, and why.
func lossAt(lock *leasehold.Lock, start time.Time) (time.Duration, error) {
	<-lock.Context().Done()
	return time.Since(start), context.Cause(lock.Context())
}

// vanish makes the lock's client die without a goodbye: none of its calls reach
// the store any more.
func vanish(lock *leasehold.Lock) { lock.Hold().Conn.Close() }

// calls counts the calls that reach a store, by method.
type calls struct {
	mu sync.Mutex
	n  map[string]int
}

func count(store *memory.Store) *calls {
	c := &calls{n: map[string]int{}}
	store.Intercept(func(_ context.Context, call memory.Call) error {
		if !call.Done {
			c.mu.Lock()
			c.n[call.Op]++
			c.mu.Unlock()
		}
		return nil
	})
	return c
}

func (c *calls) of(op string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[op]
}

func (c *calls) total() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range c.n {
		n += k
	}
	return n
}

var errReplyLost = errors.New("the reply was lost")

// loseReplies makes the next n replies to op get lost after it took effect.
func loseReplies(store *memory.Store, op string, n int) {
	var mu sync.Mutex
	store.Intercept(func(_ context.Context, call memory.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if call.Op == op && call.Done && n > 0 {
			n--
			return errReplyLost
		}
		return nil
	})
}

func wantCause(t *testing.T, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("error %q does not match %q", err, w)
		}
	}
}

// free fails the test unless nobody holds or awaits name.
func free(t *testing.T, client *leasehold.Client, name string) {
	t.Helper()
	info, err := client.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if info.State != leasehold.Free || len(info.Waiters) != 0 {
		t.Errorf("%q is not free: %+v holder %+v", name, info, info.Holder)
	}
}

// hold makes the replies to op wait for the channel.
func hold(op string, until <-chan struct{}) func(context.Context, memory.Call) error {
	return func(ctx context.Context, call memory.Call) error {
		if call.Op == op && call.Done {
			<-until
		}
		return nil
	}
}
