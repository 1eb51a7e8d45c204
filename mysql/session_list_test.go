package mysql

import (
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
	"github.com/leaseholdgo/leasehold/internal/mariadb"
)

// Where the server tells, the locks of all sessions are listed with who holds them, and not
// those by which others show that they wait.
func TestSessionsAreListed(t *testing.T) {
	t.Parallel()
	server := mariadb.ForTest(t, mariadb.Config{Settings: map[string]string{
		"performance_schema": "ON", "performance-schema-instrument": "wait/lock/metadata/sql/mdl=ON",
	}})
	s := siteAt(t, server.URL(), SessionConfig{})
	a, b := s.Client(), s.Client()
	locks := map[string]*leasehold.Lock{}
	for _, name := range []string{"x", "y", "z"} {
		locks[SessionLockName("", name)] = s.Acquire(a, name)
	}
	got := s.Waits(b, "x")
	s.AwaitPolls(b, "x")
	view, err := OpenSession(server.URL(), s.cfg).Held(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range view.Locks {
		lease := view.Leases[l.Holder.Lease]
		if locks[l.Name] == nil || lease.Owner == "" || lease.Info.Host == "" {
			t.Errorf("%+v, held by %+v", l, lease)
		}
	}
	if len(view.Locks) != len(locks) {
		t.Errorf("%d locks are listed", len(view.Locks))
	}
	for _, lock := range locks {
		s.Release(lock)
	}
	s.Release(s.Within(sessiontest.Prompt, "the next holder", got))
}

// Where it does not, that is said.
func TestSessionsAreNotListed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if _, err := OpenSession(serverURL(t), s.cfg).Held(t.Context()); !errors.Is(err, driver.ErrUnsupported) || !driver.IsPermanent(err) {
		t.Errorf("on a server that does not tell: %v", err)
	}
	findings, err := OpenSession(serverURL(t), s.cfg).Diagnose(t.Context())
	if err != nil || len(findings) != 7 {
		t.Fatalf("%d findings, %v", len(findings), err)
	}
	for _, f := range findings {
		if f.Level == driver.LevelProblem {
			t.Errorf("%+v", f)
		}
	}
}
