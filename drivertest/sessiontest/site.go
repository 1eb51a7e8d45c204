package sessiontest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

const (
	// TTL is long enough that nothing depends on it.
	TTL = 15 * time.Second
	// Prompt is five times what a killed session may take to be noticed.
	Prompt = 500 * time.Millisecond

	// patience is so long that only a fault exceeds it.
	patience = 20 * time.Second
)

// Site makes clients that are in each other's way, and knows what only their server can
// tell. Its methods fail the test, and may be called by several goroutines at once.
type Site struct {
	testing.TB

	// DB reaches the server, beside the stores.
	DB *sql.DB
	// Store returns a session store like those before, as if in a process of its own.
	Store func() driver.Store
	// Guard is the store's guard.
	Guard func(context.Context, *sql.Tx, *leasehold.Lock) error
	// Holders returns the server's numbers of the sessions that have the lock of a name.
	Holders func(name string) []int64
	// KillSQL is a statement that ends a session as an operator does: a format with one
	// verb, for the session's number.
	KillSQL string
	// ClockSQL is an expression that yields the server's clock, in microseconds since 1970.
	ClockSQL string
	// Fences is the table of fences, with a column last; and Tables is what goes before the
	// name of a table beside it.
	Fences, Tables string
	// Shared: the store offers shared locks.
	Shared bool
}

var namespaces atomic.Int64

// Namespace returns a namespace that nobody else uses: the locks of sessions are those of a
// whole server.
func Namespace() string {
	return fmt.Sprintf("test %d %d", os.Getpid(), namespaces.Add(1))
}

// Client returns a client of a store of its own.
func (s *Site) Client() *leasehold.Client {
	s.Helper()
	return s.ClientOf(s.Store(), TTL)
}

// ClientOf returns a client of the store, closed when the test ends.
func (s *Site) ClientOf(store driver.Store, ttl time.Duration) *leasehold.Client {
	s.Helper()
	client, err := leasehold.Open(s.Context(), store, leasehold.Config{TTL: ttl})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { client.Close() })
	return client
}

// Acquire acquires a lock that must come.
func (s *Site) Acquire(c *leasehold.Client, name string, opts ...leasehold.Option) *leasehold.Lock {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	lock, err := c.Acquire(ctx, name, opts...)
	if err != nil {
		s.Fatal(err)
	}
	return lock
}

// Release closes a lock, which must be held until then.
func (s *Site) Release(lock *leasehold.Lock) {
	s.Helper()
	if err := lock.Close(); err != nil {
		s.Error(err)
	}
}

// Refused makes a try that must fail.
func (s *Site) Refused(c *leasehold.Client, name string, opts ...leasehold.Option) *leasehold.HeldError {
	s.Helper()
	lock, err := c.TryAcquire(s.Context(), name, opts...)
	if err == nil {
		s.Fatalf("%q was granted beside another, as %d", name, lock.Fence())
	}
	var held *leasehold.HeldError
	if !errors.As(err, &held) {
		s.Fatalf("try of %q: %v", name, err)
	}
	return held
}

// Waits starts an acquisition that has to wait, and returns where its lock arrives.
func (s *Site) Waits(c *leasehold.Client, name string, opts ...leasehold.Option) <-chan *leasehold.Lock {
	s.Helper()
	got := make(chan *leasehold.Lock, 1)
	go func() {
		defer close(got)
		if lock, err := c.Acquire(s.Context(), name, opts...); err == nil {
			got <- lock
		}
	}()
	return got
}

// Within receives a lock that must arrive soon.
func (s *Site) Within(limit time.Duration, what string, got <-chan *leasehold.Lock) *leasehold.Lock {
	s.Helper()
	start := time.Now()
	select {
	case lock := <-got:
		if took := time.Since(start); took > limit {
			s.Errorf("%s: took %v, of %v", what, took, limit)
		}
		if lock == nil {
			s.Fatalf("%s: no lock", what)
		}
		return lock
	case <-time.After(patience):
		s.Fatalf("%s: never", what)
		return nil
	}
}

// Later checks that a lock does not arrive before end is called, and does then.
func (s *Site) Later(what string, got <-chan *leasehold.Lock, end func()) *leasehold.Lock {
	s.Helper()
	select {
	case <-got:
		s.Fatalf("%s: granted too early", what)
	case <-time.After(100 * time.Millisecond):
	}
	end()
	return s.Within(Prompt, what, got)
}

// Free checks that nobody goes on holding the names. A wait that has ended may be granted the
// lock yet, by a statement in flight, and gives it back.
func (s *Site) Free(names ...string) {
	s.Helper()
	fresh := s.Client()
	for _, name := range names {
		var lock *leasehold.Lock
		s.Await("the lock is free", func() bool {
			var err error
			lock, err = fresh.TryAcquire(s.Context(), name)
			if err != nil && !errors.Is(err, leasehold.ErrHeld) {
				s.Error(err)
			}
			return err == nil
		})
		s.Release(lock)
	}
}

// Holder returns the one session that has the lock of a name.
func (s *Site) Holder(name string) int64 {
	s.Helper()
	ids := s.Holders(name)
	if len(ids) != 1 {
		s.Fatalf("%q is held by the sessions %v, want one", name, ids)
	}
	return ids[0]
}

// Kill ends a session as an operator does.
func (s *Site) Kill(id int64) {
	s.Helper()
	s.exec(fmt.Sprintf(s.KillSQL, id))
}

// AwaitWaiter returns when one who waits for the name is seen by the client.
func (s *Site) AwaitWaiter(c *leasehold.Client, name string) {
	s.Helper()
	s.Await("somebody waits", func() bool {
		info, err := c.Get(s.Context(), name)
		return err == nil && len(info.Waiters) == 1
	})
}

// Await polls until done.
func (s *Site) Await(what string, done func() bool) {
	s.Helper()
	for start := time.Now(); !done(); time.Sleep(2 * time.Millisecond) {
		if time.Since(start) > patience {
			s.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

func (s *Site) exec(text string) {
	s.Helper()
	if _, err := s.DB.ExecContext(s.Context(), text); err != nil {
		s.Fatalf("%s: %v", text, err)
	}
}

// number returns the one number that a query yields.
func (s *Site) number(text string) (n int64) {
	s.Helper()
	if err := s.DB.QueryRowContext(s.Context(), text).Scan(&n); err != nil {
		s.Fatalf("%s: %v", text, err)
	}
	return n
}
