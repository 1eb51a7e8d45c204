package mysql

import (
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// Fences are the server's clock, and rise though that is set back, or the table's row is.
func TestHazard26_SessionFencesFollowTheServersClock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.client()
	now := func() int64 { return value[int64](t, s.db, "SELECT "+clockSQL) }
	before := now()
	lock := s.acquire(c, "a")
	if f := int64(lock.Fence()); f < before || f > now() {
		t.Errorf("fence %d, the clock went from %d to %d", f, before, now())
	}
	s.release(lock)
	table := s.cfg.Database + ".leasehold_fence"
	execSQL(t, s.db, "UPDATE "+table+" SET last = last + 3600000000") // as if the clock had been set back since
	ahead := s.acquire(c, "a")
	if ahead.Fence() < lock.Fence()+3600000000 {
		t.Errorf("fence %d after one of an hour ahead of %d", ahead.Fence(), lock.Fence())
	}
	s.release(ahead)
	execSQL(t, s.db, "UPDATE "+table+" SET last = 0")
	again := s.acquire(s.client(), "b")
	if again.Fence() <= lock.Fence() {
		t.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.release(again)
}

// Without the tables, and without leave to make them, the error says what to do; and what
// SessionMigrationSQL returns makes them.
func TestSessionTablesByHand(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(cfg *SessionConfig) { cfg.ManualSchema, cfg.Prefix = true, "ours_" })
	_, err := leasehold.Open(t.Context(), OpenSession(serverURL(t), s.cfg), leasehold.Config{})
	if err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), "SessionMigrationSQL") {
		t.Errorf("without tables: %v", err)
	}
	text, err := SessionMigrationSQL(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for one := range strings.SplitSeq(strings.TrimSuffix(text, ";\n"), ";\n") {
		execSQL(t, s.db, one)
	}
	s.release(s.acquire(s.client(), "a"))
	s.cfg.Prefix = "Not allowed"
	if _, err := SessionMigrationSQL(s.cfg); err == nil || !driver.IsPermanent(err) {
		t.Errorf("a bad prefix: %v", err)
	}
	if _, err := leasehold.Open(t.Context(), OpenSession(serverURL(t), s.cfg), leasehold.Config{}); err == nil || !driver.IsPermanent(err) {
		t.Errorf("a bad prefix: %v", err)
	}
}
