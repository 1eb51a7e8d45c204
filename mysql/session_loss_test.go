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
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

func TestHazard03_SessionKilled(t *testing.T) {
	t.Parallel()
	if cause := sessiontest.Killed(newSite(t).Site); !errors.Is(cause, errEnded) {
		t.Errorf("lost because of %v", cause)
	}
}

// The connection that waits for the session's end is killed: nothing is lost, another takes
// its place, and the end of the session is still noticed at once.
func TestSessionWatcherKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.Client()
	lock := s.Acquire(c, "x")
	id := s.Holder("x")
	watcher := func() int64 {
		return value[int64](t, s.db, "SELECT IFNULL(MAX(ID), 0) FROM information_schema.PROCESSLIST WHERE INFO LIKE '%GET_LOCK(''"+s.mark(lock)+"''%' AND INFO NOT LIKE '%PROCESSLIST%'")
	}
	for range 3 {
		var old int64
		await(t, "somebody waits for the session's end", func() bool { old = watcher(); return old != 0 })
		execSQL(t, s.db, "KILL CONNECTION "+number(old))
		await(t, "another takes its place", func() bool { now := watcher(); return now != 0 && now != old })
	}
	if !lock.Held() || s.Holder("x") != id {
		t.Fatalf("held %v, by connection %d, before %d", lock.Held(), s.Holder("x"), id)
	}
	start := time.Now()
	execSQL(t, s.db, "KILL CONNECTION "+number(id))
	<-lock.Context().Done()
	if took := time.Since(start); took > sessiontest.Prompt {
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
	_, session, err := keyed.Of(hold.Conn).Prove(hold.Attempt)
	if err != nil {
		s.Fatal(err)
	}
	return session.(*named)
}

// Statements are killed all the time: no lock is lost by that, and none is left behind.
func TestHazard11_SessionSurvivesKilledStatements(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.Client()
	kept := s.Acquire(c, "kept")
	id, side := s.Holder("kept"), int64(0)
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
				s.Release(s.Acquire(c, fmt.Sprint("name ", i%4)))
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
	if !kept.Held() || s.Holder("kept") != id {
		t.Errorf("held %v: %v", kept.Held(), context.Cause(kept.Context()))
	}
	s.Release(kept)
	s.Free("kept", "name 0", "name 1", "name 2", "name 3")
}

func TestHazard37_VanishedClient(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	s := newSite(t)
	p, source := newProxy(t, s.cfg.Database)
	c := s.ClientOf(OpenSession(source, s.cfg), ttl)
	sessiontest.Vanished(s.Site, c, ttl, IdleTimeout(ttl), func() { p.set(false, false) })
}

func TestSessionReplaced(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p, source := newProxy(t, s.cfg.Database)
	c := s.ClientOf(OpenSession(source, s.cfg), 600*time.Millisecond)
	sessiontest.Replaced(s.Site, c, func() { p.set(false, false) }, p.fresh)
}

// A client is closed while the network swallows everything: that takes no longer than the
// TTL and a second, since nobody waits for replies.
func TestHazard21_SessionCloseInABlackHole(t *testing.T) {
	t.Parallel()
	const ttl = 600 * time.Millisecond
	s := newSite(t)
	p, source := newProxy(t, s.cfg.Database)
	c := s.ClientOf(OpenSession(source, s.cfg), ttl)
	s.Acquire(c, "x")
	p.set(false, false)
	start := time.Now()
	_ = c.Close() // what it says of a dead network does not matter
	if took := time.Since(start); took > 5*(ttl+politeness) {
		t.Errorf("Close took %v", took)
	}
}
