package drivertest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// testClient is level 4: leasehold.Client over the store.
func testClient(t *testing.T, h Harness) {
	cases{
		{"Exclusion", clientExclusion},
		{"Hazard16_HandOverWaitsForNoPoll", clientHandOver},
		{"Hazard17_FirstComeFirstServed", clientOrder},
		{"TryNamesTheHolder", clientTry},
		{"WaitEndedByItsContext", clientWaitEnds},
		{"CancelledWaitsLeaveNothing", clientCancels},
		{"Hazard13_AcquireContextBoundsAcquireOnly", clientAcquireContext},
		{"Do", clientDo},
		{"Hazard40_InvalidNames", clientInvalid},
		{"GetAndList", clientGetAndList},
		{"Close", clientClose},
		{"Shutdown", clientShutdown},
		{"ThousandLocks", clientThousandLocks},
	}.parallel(t, h)
	t.Run("Death", func(t *testing.T) { testDeath(t, h) })
	t.Run("Revoke", func(t *testing.T) { testClientRevoke(t, h) })
	t.Run("Modes", func(t *testing.T) { testClientModes(t, h) })
	t.Run("BadLine", func(t *testing.T) { testBadLine(t, h) })
}

// open opens a client with a TTL that no stall of a busy machine exceeds.
func (w *world) open(owner string) *leasehold.Client {
	w.Helper()
	cfg := leasehold.Config{TTL: 15 * time.Second, Owner: owner}
	if !w.h.Listens {
		cfg.TTL = 5 * w.h.TTL // it polls every sixth of it
	}
	return w.openOn(w.store, cfg)
}

// openShort opens a client with the harness's TTL.
func (w *world) openShort(owner string) *leasehold.Client {
	w.Helper()
	return w.openOn(w.store, leasehold.Config{TTL: w.h.TTL, Owner: owner})
}

func (w *world) openOn(store driver.Store, cfg leasehold.Config) *leasehold.Client {
	w.Helper()
	c, err := leasehold.Open(w.ctx(), store, cfg)
	if err != nil {
		w.Fatalf("Open: %v", err)
	}
	w.Cleanup(func() { _ = c.Close() }) // a test may have closed it already
	return c
}

func (w *world) lock(c *leasehold.Client, name string, opts ...leasehold.Option) *leasehold.Lock {
	w.Helper()
	l, err := c.Acquire(w.ctx(), name, opts...)
	if err != nil {
		w.Fatalf("Acquire(%q): %v", name, err)
	}
	return l
}

func (w *world) unlock(l *leasehold.Lock) {
	w.Helper()
	if err := l.Close(); err != nil {
		w.Fatalf("Close of the lock of %q: %v", l.Name(), err)
	}
}

// grant is the end of an Acquire in the background.
type grant struct {
	lock *leasehold.Lock
	err  error
	at   time.Time
}

// acquiring calls Acquire in the background.
func (w *world) acquiring(ctx context.Context, c *leasehold.Client, name string, opts ...leasehold.Option) <-chan grant {
	done := make(chan grant, 1)
	go func() {
		l, err := c.Acquire(ctx, name, opts...)
		done <- grant{l, err, time.Now()}
	}()
	return done
}

// wait calls Acquire in the background, and returns when it is in the queue
// with n waiters in all.
func (w *world) wait(ctx context.Context, c *leasehold.Client, name string, n int, opts ...leasehold.Option) <-chan grant {
	w.Helper()
	done := w.acquiring(ctx, c, name, opts...)
	await(w.T, "the attempt queues", func() bool { return len(w.row(name).Queue) >= n })
	return done
}

// granted receives a grant that must come.
func (w *world) granted(from <-chan grant) grant {
	w.Helper()
	select {
	case g := <-from:
		if g.err != nil {
			w.Fatalf("Acquire: %v", g.err)
		}
		return g
	case <-w.ctx().Done():
		w.Fatal("Acquire did not return")
		return grant{}
	}
}

// refused receives the error of an acquisition that must fail.
func (w *world) refused(from <-chan grant) error {
	w.Helper()
	select {
	case g := <-from:
		if g.err == nil {
			w.Fatal("Acquire succeeded")
		}
		return g.err
	case <-w.ctx().Done():
		w.Fatal("Acquire did not return")
		return nil
	}
}

// ended waits for the end of the lock's context and returns its cause.
func (w *world) ended(l *leasehold.Lock) error {
	w.Helper()
	select {
	case <-l.Context().Done():
		return context.Cause(l.Context())
	case <-w.ctx().Done():
		w.Fatalf("the context of the lock of %q did not end", l.Name())
		return nil
	}
}

// wantNoGhost waits until nobody holds and nobody awaits name: what a client
// left unfinished it clears up in the background.
func (w *world) wantNoGhost(name string) {
	w.Helper()
	await(w.T, "nobody holds, nobody waits", func() bool {
		row := w.row(name)
		return !row.Held() && len(row.Queue) == 0
	})
}

func clientExclusion(w *world) {
	const clients, each, rounds = 3, 2, 10
	watch := newWitness(w.T)
	var wg sync.WaitGroup
	for range clients {
		c := w.open("one of some")
		for range each {
			wg.Go(func() {
				for range rounds {
					watch.acquire(c, "a")
				}
			})
		}
	}
	wg.Wait()
	if n := watch.grants("a"); n != clients*each*rounds {
		w.Errorf("%d grants, want %d", n, clients*each*rounds)
	}
	w.wantNoGhost("a")
}

// acquire acquires, holds for an instant and releases.
func (w *witness) acquire(c *leasehold.Client, name string) { w.acquireAs(c, name, driver.Terms{}) }

// acquireAs does so with options, which stand for the terms.
func (w *witness) acquireAs(c *leasehold.Client, name string, terms driver.Terms, opts ...leasehold.Option) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 2*patience)
	defer cancel()
	l, err := c.Acquire(ctx, name, opts...)
	if err != nil {
		w.t.Errorf("Acquire: %v", err)
		return
	}
	w.enter(name, terms, l.Fence())
	if !l.Held() {
		w.t.Error("a lock just granted is not held")
	}
	w.leave(name, terms)
	if err := l.Close(); err != nil {
		w.t.Errorf("Close: %v", err)
	}
}

// clientHandOver: with so long a TTL, no poll comes in time.
func clientHandOver(w *world) {
	const rounds = 10
	limit := 500 * time.Millisecond
	if !w.h.Listens {
		limit = 5 * w.h.TTL
	}
	clients := []*leasehold.Client{w.open("0"), w.open("1")}
	held := w.lock(clients[0], "a")
	var took []time.Duration
	for i := range rounds {
		next := w.wait(w.ctx(), clients[(i+1)%2], "a", 1)
		released := time.Now()
		w.unlock(held)
		g := w.granted(next)
		took = append(took, g.at.Sub(released))
		held = g.lock
	}
	slices.Sort(took)
	w.Logf("hand-over: median %v, longest %v", took[rounds/2], took[rounds-1])
	if took[rounds/2] > limit {
		w.Errorf("median hand-over %v, want at most %v", took[rounds/2], limit)
	}
}

func clientOrder(w *world) {
	clients := []*leasehold.Client{w.open("0"), w.open("1"), w.open("2")}
	held := w.lock(clients[0], "a")
	first := w.wait(w.ctx(), clients[1], "a", 1)
	second := w.wait(w.ctx(), clients[2], "a", 2)
	w.unlock(held)
	again := w.acquiring(w.ctx(), clients[0], "a") // the one who just had it comes last
	last := held.Fence()
	for i, next := range []<-chan grant{first, second, again} {
		g := w.granted(next)
		if g.lock.Fence() <= last {
			w.Errorf("place %d: fence %d after %d", i, g.lock.Fence(), last)
		}
		last = g.lock.Fence()
		w.unlock(g.lock)
	}
}

func clientTry(w *world) {
	holder, c := w.open("the holder"), w.open("the other")
	l := w.lock(holder, "a")
	got, err := c.TryAcquire(w.ctx(), "a")
	var held *leasehold.HeldError
	if got != nil || !errors.Is(err, leasehold.ErrHeld) || !errors.As(err, &held) {
		w.Fatalf("TryAcquire of a held lock: %v, %v", got, err)
	}
	if held.Name != "a" || held.Fence != l.Fence() || held.Holder.Owner != "the holder" || held.Holder.PID == 0 {
		w.Errorf("the error says %+v, want the holder with fence %d", held, l.Fence())
	}
	if !l.Held() {
		w.Error("a try took the lock")
	}
	w.unlock(l)
	next, err := c.TryAcquire(w.ctx(), "a")
	if err != nil {
		w.Fatalf("TryAcquire of a free lock: %v", err)
	}
	if next.Fence() <= l.Fence() {
		w.Errorf("fence %d after %d", next.Fence(), l.Fence())
	}
	w.unlock(next)
	if err := next.Close(); err != nil {
		w.Errorf("Close, repeated: %v", err)
	}
	if cause := context.Cause(next.Context()); !errors.Is(cause, leasehold.ErrReleased) {
		w.Errorf("cause after a release: %v", cause)
	}
	w.wantNoGhost("a")
}

func clientWaitEnds(w *world) {
	holder := w.open("the holder")
	queued := make(chan int, 1)
	c := w.openOn(w.store, leasehold.Config{TTL: w.h.TTL, Observer: leasehold.Observer{
		Queued: func(_ string, ahead int) { queued <- ahead },
	}})
	l := w.lock(holder, "a")
	patient := time.Millisecond
	await(w.T, "a wait that is long enough sees who holds", func() bool {
		ctx, cancel := context.WithCancel(w.Context())
		defer cancel()
		waiting := w.acquiring(ctx, c, "a")
		select {
		case ahead := <-queued:
			if ahead != 0 {
				w.Errorf("%d ahead of the only waiter", ahead)
			}
		case <-w.ctx().Done():
			w.Fatal("the attempt did not queue")
		}
		time.Sleep(patient)
		patient *= 2
		cancel()
		err := w.refused(waiting)
		var held *leasehold.HeldError
		if !errors.Is(err, context.Canceled) || !errors.Is(err, leasehold.ErrHeld) || !errors.As(err, &held) {
			w.Fatalf("a cancelled wait: %v, want Canceled and ErrHeld", err)
		}
		await(w.T, "the queue is empty", func() bool { return len(w.row("a").Queue) == 0 })
		return held.Holder.Owner == "the holder" && held.Fence == l.Fence()
	})
	if !l.Held() {
		w.Error("cancelling a wait took the lock")
	}
}

// clientCancels ends waits about when they are granted.
func clientCancels(w *world) {
	holder, c := w.open("the holder"), w.open("the other")
	for i := range 20 {
		l := w.lock(holder, "a")
		ctx, cancel := context.WithCancel(w.Context())
		waiting := w.wait(ctx, c, "a", 1)
		var wg sync.WaitGroup
		wg.Go(func() { time.Sleep(time.Duration(i) * 200 * time.Microsecond); cancel() })
		w.unlock(l)
		if g := <-waiting; g.err == nil {
			w.unlock(g.lock)
		} else if !errors.Is(g.err, context.Canceled) {
			w.Errorf("a cancelled wait: %v", g.err)
		}
		wg.Wait()
	}
	w.wantNoGhost("a")
}

func clientAcquireContext(w *world) {
	type key struct{}
	ttl := 2 * w.h.TTL
	c := w.openOn(w.store, leasehold.Config{TTL: ttl})
	ctx, cancel := context.WithCancel(context.WithValue(w.Context(), key{}, "value"))
	l, err := c.Acquire(ctx, "a")
	if err != nil {
		w.Fatal(err)
	}
	cancel()
	first := l.Deadline()
	await(w.T, "the lock outlives its first deadline", func() bool {
		if err := l.Context().Err(); err != nil {
			w.Fatalf("the lock ended: %v", context.Cause(l.Context()))
		}
		return time.Now().After(first.Add(ttl / 2))
	})
	if !l.Held() || l.Context().Value(key{}) != "value" {
		w.Errorf("held %v, value %v", l.Held(), l.Context().Value(key{}))
	}
	bound, stop := l.Bind(w.Context())
	defer stop()
	w.unlock(l)
	select {
	case <-bound.Done():
	case <-w.ctx().Done():
		w.Error("a bound context outlived the lock")
	}
}

func clientDo(w *world) {
	c, other := w.open("owner"), w.open("other")
	failure := errors.New("failure of the work")
	err := c.Do(w.ctx(), "a", func(ctx context.Context, l *leasehold.Lock) error {
		if !l.Held() || ctx.Err() != nil {
			w.Error("Do runs without the lock")
		}
		err := other.TryDo(w.ctx(), "a", func(context.Context, *leasehold.Lock) error {
			w.Error("TryDo ran beside the holder")
			return nil
		})
		if !errors.Is(err, leasehold.ErrHeld) {
			w.Errorf("TryDo of a held lock: %v", err)
		}
		return failure
	})
	if !errors.Is(err, failure) || errors.Is(err, leasehold.ErrLost) {
		w.Errorf("Do returned %v, want the work's own error", err)
	}
	ran := false
	err = other.TryDo(w.ctx(), "a", func(context.Context, *leasehold.Lock) error { ran = true; return nil })
	if err != nil || !ran {
		w.Errorf("TryDo of a free lock: %v, ran %v", err, ran)
	}
	w.wantNoGhost("a")
}
