package mysql

import (
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

func TestHazard26_SessionFencesFollowTheServersClock(t *testing.T) {
	t.Parallel()
	sessiontest.FencesFollowTheServersClock(newSite(t).Site)
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
	s.Release(s.Acquire(s.Client(), "a"))
	s.cfg.Prefix = "Not allowed"
	if _, err := SessionMigrationSQL(s.cfg); err == nil || !driver.IsPermanent(err) {
		t.Errorf("a bad prefix: %v", err)
	}
	if _, err := leasehold.Open(t.Context(), OpenSession(serverURL(t), s.cfg), leasehold.Config{}); err == nil || !driver.IsPermanent(err) {
		t.Errorf("a bad prefix: %v", err)
	}
}
