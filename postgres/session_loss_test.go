package postgres

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
	"github.com/leaseholdgo/leasehold/postgres/internal/advisory"
)

func TestHazard03_SessionTerminated(t *testing.T) {
	t.Parallel()
	cause := sessiontest.Killed(newSite(t).Site)
	if reply, ok := asType[*pgconn.PgError](cause); !ok || reply.Code != "57P01" {
		t.Errorf("lost because of %v", cause)
	}
}

// The server restarts: everything ends at once, and works again after.
func TestSessionServerGone(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	s := newSite(t)
	c := s.clientOn(pool, testTTL)
	lock := s.Acquire(c, "x")
	start := time.Now()
	p.cut()
	<-lock.Context().Done()
	if took := time.Since(start); took > sessiontest.Prompt {
		t.Errorf("told after %v", took)
	}
	again := s.Acquire(c, "x") // the process of the lost session is ended, if it must be
	if again.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.Release(again)
	_ = lock.Close()
}

func TestHazard37_VanishedClient(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second
	p, pool := newProxy(t)
	s := newSite(t)
	sessiontest.Vanished(s.Site, s.clientOn(pool, ttl), ttl, advisory.IdleTimeout(ttl), p.shut)
}

func TestSessionReplaced(t *testing.T) {
	t.Parallel()
	p, pool := newProxy(t)
	s := newSite(t)
	cut := func() {
		up, down := p.fresh()
		up.shut()
		down.shut()
	}
	sessiontest.Replaced(s.Site, s.clientOn(pool, 600*time.Millisecond), cut, func() {}) // who comes later gets through
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
