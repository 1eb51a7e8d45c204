package keyed

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// server is one that holds keys for sessions.
type server struct {
	early atomic.Bool // a batch was given between a failure and Tidy

	mu    sync.Mutex // guards the fields below
	users map[string]*fake
	last  uint64
	fails int           // how many unlocks are to fail
	takes time.Duration // each batch
	weak  bool          // some batches fail in the middle
	most  int           // batches that a session was given at a time
}

// fake is a session of it. Its replies come in order.
type fake struct {
	*server
	batches chan func()
	open    atomic.Int32 // failures that Tidy has not been called for
	mu      sync.Mutex   // guards the field below
	cause   error
	ended   chan struct{}
}

// session returns one.
func (s *server) session() *fake {
	f := &fake{server: s, ended: make(chan struct{}), batches: make(chan func(), 10)}
	go func() {
		for {
			select {
			case do := <-f.batches:
				do()
			case <-f.ended:
				return
			}
		}
	}()
	return f
}

var errCancelled = errors.New("cancelled")

func (f *fake) Do(b *Batch, done func(error)) {
	if f.open.Load() > 0 {
		f.early.Store(true)
	}
	f.batches <- func() {
		f.server.mu.Lock()
		f.most = max(f.most, 1+len(f.batches))
		f.server.mu.Unlock()
		time.Sleep(f.takes)
		err := f.do(b)
		done(err)
		if err != nil {
			f.open.Add(1)
		}
	}
}

func (f *fake) do(b *Batch) error {
	f.server.mu.Lock()
	defer f.server.mu.Unlock()
	b.Done = make([]bool, len(b.Steps))
	for i, step := range b.Steps {
		key := b.Keys[i]
		if f.weak && rand.IntN(50) == 0 {
			return errCancelled
		}
		switch {
		case step == UnlockExclusive && f.fails > 0:
			f.fails--
			return errCancelled
		case step == UnlockExclusive:
			delete(f.users, key)
		case step == TryExclusive && f.users[key] == nil:
			f.users[key] = f
			b.Done[i] = true
		}
	}
	b.First = f.last + 1
	f.last += uint64(b.Fences)
	return nil
}

func (f *fake) Visit(context.Context, time.Duration) error { return f.Cause() }

func (f *fake) Tidy(keys, _ []string) (map[string]Mode, error) {
	time.Sleep(f.takes)
	f.open.Add(-1)
	f.server.mu.Lock()
	defer f.server.mu.Unlock()
	has := map[string]Mode{}
	for _, key := range keys {
		if f.users[key] == f {
			has[key] = Exclusive
		}
	}
	return has, nil
}

func (f *fake) Others(context.Context, []string) ([]Other, error) { return nil, nil }

func (f *fake) Fail(cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cause == nil {
		f.cause = cause
		close(f.ended)
	}
}

func (f *fake) Ended() <-chan struct{} { return f.ended }

func (f *fake) Cause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cause
}

func (f *fake) Close() { f.Fail(ErrClosed) }

// store is a driver.Store of one Table.
type store struct{ *Table }

func (s store) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	return s.Table.Connect(ctx, settings.TTL)
}

// open returns a client of a process of its own. Names that differ in case have one key.
func (s *server) open(t *testing.T) *leasehold.Client {
	t.Helper()
	table := New(Config{
		Key: strings.ToLower, Fences: true, NoShared: true, InFlight: 2,
		Dial: func(context.Context, time.Duration, []Session) (Session, error) { return s.session(), nil },
	})
	client, err := leasehold.Open(t.Context(), store{table}, leasehold.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func newServer() *server { return &server{users: map[string]*fake{}} }

// A step that gives a key back is cancelled: it is made again, and nothing else is lost. If
// it fails for good the session ends, and with it everything, which frees the key.
func TestHazard11_CancelledStepCostsNothing(t *testing.T) {
	t.Parallel()
	for fails, lost := range map[int]bool{1: false, mostTries: false, 10 * mostTries: true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			client := s.open(t)
			defer client.Close()
			kept, err := client.Acquire(t.Context(), "kept")
			if err != nil {
				t.Fatal(err)
			}
			lock, err := client.Acquire(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			s.mu.Lock()
			s.fails = fails
			s.mu.Unlock()
			_ = lock.Close() // held or lost, it is let go of
			synctest.Wait()
			if kept.Held() == lost {
				t.Errorf("after %d failures: held %v: %v", fails, kept.Held(), context.Cause(kept.Context()))
			}
			s.mu.Lock()
			if user := s.users["a"]; user != nil && user.Cause() == nil {
				t.Error("the key was not given back")
			}
			s.fails = 0
			s.mu.Unlock()
		})
	}
}

// Two names in use with one key would be let in together by the server, which sees one
// session: the second is refused, until the first is not in use any more.
func TestHazard39_NamesWithOneKeyAreRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newServer().open(t)
		defer client.Close()
		lock, err := client.Acquire(t.Context(), "name")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.TryAcquire(t.Context(), "NAME"); !errors.Is(err, ErrKeyInUse) || !driver.IsPermanent(err) {
			t.Errorf("a name with the same key: %v", err)
		}
		if err := lock.Close(); err != nil {
			t.Error(err)
		}
		twin, err := client.TryAcquire(t.Context(), "NAME")
		if err != nil {
			t.Fatal(err)
		}
		if twin.Fence() <= lock.Fence() {
			t.Errorf("fence %d after %d", twin.Fence(), lock.Fence())
		}
		_ = twin.Close()
	})
}

// What the server cannot share is refused before it is asked.
func TestNotShared(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := newServer().open(t)
		defer client.Close()
		if _, err := client.Acquire(t.Context(), "a", leasehold.Shared()); !errors.Is(err, leasehold.ErrUnsupported) {
			t.Errorf("shared: %v", err)
		}
	})
}

// Two processes, of which each has two batches under way at a time, and batches that fail in
// the middle: nobody is let in beside another, and everybody is in the end.
func TestTwoBatchesUnderWay(t *testing.T) {
	t.Parallel()
	for _, weak := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			s.takes, s.weak = time.Millisecond, weak
			var inside [40]atomic.Int32
			var wg sync.WaitGroup
			for range 2 {
				client := s.open(t)
				defer client.Close()
				for i := range inside {
					wg.Go(func() {
						for range 30 {
							lock, err := client.Acquire(t.Context(), fmt.Sprint("name ", i))
							for err != nil && weak { // it was the one to blame
								lock, err = client.Acquire(t.Context(), fmt.Sprint("name ", i))
							}
							if err != nil {
								t.Error(err)
								return
							}
							if n := inside[i].Add(1); n != 1 {
								t.Errorf("%d holders of name %d", n, i)
							}
							inside[i].Add(-1)
							_ = lock.Close()
						}
					})
				}
			}
			wg.Wait()
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.early.Load() {
				t.Error("a batch was given before the last failure was made good")
			}
			if s.most != 2 {
				t.Errorf("up to %d batches at a time", s.most)
			}
		})
	}
}
