package mysql

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// prompt is five times what a killed session may take to be noticed.
const prompt = 500 * time.Millisecond

// An operator kills the session: its locks' contexts end at once, saying why, and who waits
// in another process holds the lock soon after. The client goes on with a new session.
func TestHazard03_SessionKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.client(), s.client()
	lock, other := s.acquire(a, "x"), s.acquire(a, "y")
	got := s.waits(b, "x")
	s.awaitPolls(b, "x")
	ctxs := []context.Context{lock.Context(), other.Context()}
	start := time.Now()
	execSQL(t, s.db, "KILL CONNECTION "+number(s.user("x")))
	for _, ctx := range ctxs {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			t.Fatal("the holder is not told")
		}
	}
	took := time.Since(start)
	next := s.within(prompt, "the next waiter", got)
	t.Logf("told after %v, next holder after %v", took, time.Since(start))
	if took > prompt {
		t.Errorf("the holder was told after %v", took)
	}
	cause := context.Cause(ctxs[0])
	if !errors.Is(cause, leasehold.ErrLost) || !errors.Is(cause, leasehold.ErrLeaseGone) || !errors.Is(cause, errEnded) {
		t.Errorf("lost because of %v", cause)
	}
	if lock.Held() || next.Fence() <= lock.Fence() {
		t.Errorf("held %v; fence %d after %d", lock.Held(), next.Fence(), lock.Fence())
	}
	if err := lock.Close(); !errors.Is(err, leasehold.ErrLost) {
		t.Errorf("Close of a lost lock: %v", err)
	}
	s.release(s.acquire(a, "z"))
	s.release(next)
}

// awaitPolls returns when the client waits for a name that another session holds, and has
// done so long enough for it to ask seldom.
func (s *site) awaitPolls(c *leasehold.Client, name string) {
	s.Helper()
	start := time.Now()
	await(s, "the waiter waits", func() bool {
		info, err := c.Get(s.Context(), name)
		return err == nil && len(info.Waiters) == 1 && time.Since(start) > 4*keyed.MaxPoll
	})
}

// The connection that waits for the session's end is killed: nothing is lost, another takes
// its place, and the end of the session is still noticed at once.
func TestSessionWatcherKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	lock := s.acquire(c, "x")
	id := s.user("x")
	watcher := func() int64 {
		return value[int64](t, s.db, "SELECT IFNULL(MAX(ID), 0) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%GET_LOCK(''"+s.mark(lock)+"''%' AND INFO NOT LIKE '%PROCESSLIST%'")
	}
	for range 3 {
		var old int64
		await(t, "somebody waits for the session's end", func() bool { old = watcher(); return old != 0 })
		execSQL(t, s.db, "KILL CONNECTION "+number(old))
		await(t, "another takes its place", func() bool { now := watcher(); return now != 0 && now != old })
	}
	if !lock.Held() || s.user("x") != id {
		t.Fatalf("held %v, by connection %d, before %d", lock.Held(), s.user("x"), id)
	}
	start := time.Now()
	execSQL(t, s.db, "KILL CONNECTION "+number(id))
	<-lock.Context().Done()
	if took := time.Since(start); took > prompt {
		t.Errorf("told after %v", took)
	}
	_ = lock.Close() // it was lost
}

// mark returns the mark of the session that holds the lock.
func (s *site) mark(lock *leasehold.Lock) string { return s.named(lock).main.mark }

// named returns the session that holds the lock.
func (s *site) named(lock *leasehold.Lock) *named {
	s.Helper()
	hold := lock.Hold()
	_, session, err := sessionConn(hold.Conn).Prove(hold.Attempt)
	if err != nil {
		s.Fatal(err)
	}
	return session.(*named)
}

// Statements are killed all the time: no lock is lost by that, and none is left behind.
func TestHazard11_SessionSurvivesKilledStatements(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	kept := s.acquire(c, "kept")
	id, side := s.user("kept"), int64(0)
	err := s.named(kept).side.use(t.Context(), func(ctx context.Context, one *session) error {
		return one.run(ctx, statement{"SELECT CONNECTION_ID()", row(&side)})
	})
	if err != nil {
		t.Fatal(err)
	}
	stop := time.Now().Add(1500 * time.Millisecond)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for time.Now().Before(stop) {
				s.release(s.acquire(c, fmt.Sprint("name ", i%4)))
			}
		})
	}
	for time.Now().Before(stop) {
		for _, one := range []int64{id, side} {
			execSQL(t, s.db, "KILL QUERY "+number(one))
		}
		time.Sleep(rand.N(2 * time.Millisecond)) // the moment is what varies
	}
	wg.Wait()
	if !kept.Held() || s.user("kept") != id {
		t.Errorf("held %v: %v", kept.Held(), context.Cause(kept.Context()))
	}
	s.release(kept)
	s.free("kept", "name 0", "name 1", "name 2", "name 3")
}

// free checks that nobody goes on holding the names. A wait that has ended may be granted the
// lock yet, by a statement in flight, and gives it back.
func (s *site) free(names ...string) {
	s.Helper()
	fresh := s.client()
	for _, name := range names {
		var lock *leasehold.Lock
		await(s, "the lock is free", func() bool {
			var err error
			lock, err = fresh.TryAcquire(s.Context(), name)
			if err != nil && !errors.Is(err, leasehold.ErrHeld) {
				s.Error(err)
			}
			return err == nil
		})
		s.release(lock)
	}
}

// The network swallows everything. The holder stops believing at its trust deadline; and
// the server, which hears no more of it, frees the lock within the bound that is stated,
// not before.
func TestHazard37_VanishedClient(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	s := newSite(t)
	p, source := newProxy(t, s.cfg.Database)
	c, other := s.clientOf(OpenSession(source, s.cfg), ttl), s.client()
	lock := s.acquire(c, "x")
	got := s.waits(other, "x")
	start := time.Now()
	p.set(false, false)
	<-lock.Context().Done()
	if lost := time.Since(start); lost > ttl+ttl/2 {
		t.Errorf("the holder believed for %v, its TTL is %v", lost, ttl)
	}
	next := s.within(IdleTimeout(ttl)+5*time.Second, "the next holder", got)
	if next.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", next.Fence(), lock.Fence())
	}
	s.release(next)
	_ = lock.Close() // it was lost
}

// A connection hangs and new ones work: the client's next session ends the one before, so
// that nothing stays taken until the server notices.
func TestSessionReplaced(t *testing.T) {
	t.Parallel()
	const ttl = 600 * time.Millisecond
	s := newSite(t)
	p, source := newProxy(t, s.cfg.Database)
	c := s.clientOf(OpenSession(source, s.cfg), ttl)
	lock := s.acquire(c, "x")
	old := s.user("x")
	p.set(false, false)
	<-lock.Context().Done()
	_ = lock.Close() // it was lost
	p.fresh()
	start := time.Now()
	again := s.acquire(c, "x")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("held again after %v", took)
	}
	if now := s.user("x"); now == old {
		t.Errorf("the connection %d still has the lock", old)
	}
	if again.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.release(again)
}

// A client is closed while the network swallows everything: that takes no longer than the
// TTL and a second, since nobody waits for replies.
func TestHazard21_SessionCloseInABlackHole(t *testing.T) {
	t.Parallel()
	const ttl = 600 * time.Millisecond
	s := newSite(t)
	p, source := newProxy(t, s.cfg.Database)
	c := s.clientOf(OpenSession(source, s.cfg), ttl)
	s.acquire(c, "x")
	p.set(false, false)
	start := time.Now()
	_ = c.Close() // what it says of a dead network does not matter
	if took := time.Since(start); took > 5*(ttl+politeness) {
		t.Errorf("Close took %v", took)
	}
}
