package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/keyed"
	"github.com/leaseholdgo/leasehold/postgres/internal/advisory"
)

// prompt is five times what a terminated session may take to be noticed.
const prompt = 500 * time.Millisecond

// An operator ends the session: its locks' contexts end at once, saying why, and who waits
// in another process holds the lock soon after. The client goes on with a new session.
func TestHazard03_SessionTerminated(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b := s.client(), s.client()
	lock, other := s.acquire(a, "x"), s.acquire(a, "y", leasehold.Shared())
	got := s.waits(b, "x")
	s.awaitPolls(b, "x")
	ctxs := []context.Context{lock.Context(), other.Context()}
	start := time.Now()
	execSQL(t, s.pool, `SELECT pg_terminate_backend($1)`, s.backend("x"))
	for _, ctx := range ctxs {
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
			t.Fatal("the holder is not told")
		}
	}
	told := time.Since(start)
	if told > prompt {
		t.Errorf("the holder was told after %v", told)
	}
	next := s.within(prompt, "the next waiter", got)
	t.Logf("the holder was told after %v, the next one holds after %v", told, time.Since(start))
	cause := context.Cause(ctxs[0])
	reply, ok := asType[*pgconn.PgError](cause)
	if !errors.Is(cause, leasehold.ErrLost) || !errors.Is(cause, leasehold.ErrLeaseGone) || !ok || reply.Code != "57P01" {
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

// The server restarts: everything ends at once, and works again after.
func TestSessionServerGone(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	s := newSite(t)
	c := s.clientOn(pool, testTTL)
	lock := s.acquire(c, "x")
	start := time.Now()
	p.cut()
	<-lock.Context().Done()
	if took := time.Since(start); took > prompt {
		t.Errorf("told after %v", took)
	}
	again := s.acquire(c, "x") // the process of the lost session is ended, if it must be
	if again.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.release(again)
	_ = lock.Close()
}

// The network swallows everything. The holder stops believing at its trust deadline; and
// the server, which hears no more of it, frees the lock within the bound that is stated,
// not before.
func TestHazard37_VanishedClient(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	p, pool := newProxy(t)
	s := newSite(t)
	c, other := s.clientOn(pool, ttl), s.client()
	lock := s.acquire(c, "x")
	got := s.waits(other, "x")
	start := time.Now()
	p.shut()
	<-lock.Context().Done()
	lost := time.Since(start)
	if lost > ttl+ttl/2 {
		t.Errorf("the holder believed for %v, its TTL is %v", lost, ttl)
	}
	if cause := context.Cause(lock.Context()); !errors.Is(cause, leasehold.ErrExpired) && !errors.Is(cause, leasehold.ErrLeaseGone) {
		t.Errorf("lost because of %v", cause)
	}
	next := s.within(advisory.IdleTimeout(ttl)+5*time.Second, "the next holder", got)
	if next.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", next.Fence(), lock.Fence())
	}
	s.release(next)
}

// A connection hangs and new ones work: the client's next session ends the server process
// of the one before, so that nothing stays taken until the server notices.
func TestSessionReplaced(t *testing.T) {
	t.Parallel()
	const ttl = 600 * time.Millisecond
	p, pool := newProxy(t)
	s := newSite(t)
	c := s.clientOn(pool, ttl)
	lock := s.acquire(c, "x")
	old := s.backend("x")
	up, down := p.fresh()
	up.shut()
	down.shut()
	<-lock.Context().Done()
	start := time.Now()
	_ = lock.Close()
	again := s.acquire(c, "x")
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("held again after %v", took)
	}
	if now := s.backend("x"); now == old {
		t.Errorf("the process %d still has the key", old)
	}
	s.release(again)
}

// cut closes all connections there are.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.pairs {
		_ = c.client.Close()
		_ = c.server.Close()
	}
}
