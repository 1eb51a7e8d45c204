package postgres

import (
	"fmt"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
)

// A pooler in transaction mode would leave session locks with server connections of
// somebody else's. It is found out before anything is changed, and refused.
func TestHazard35_SessionRefusesAPooler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  pgbouncer.Mode
		size  int
		turns bool
	}{
		{pgbouncer.Transaction, 1, false},
		{pgbouncer.Transaction, 3, false},
		{pgbouncer.Transaction, 3, true},
		{pgbouncer.Statement, 2, false},
	} {
		t.Run(fmt.Sprintf("%s %d turns=%v", c.mode, c.size, c.turns), func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{}
			if c.turns {
				settings["server_round_robin"] = "1"
			}
			p := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: c.mode, Size: c.size, Settings: settings})
			pool := poolAt(t, p.URL()+"&default_query_exec_mode=exec")
			store := NewSession(pool, SessionConfig{NoFence: true, Namespace: sessiontest.Namespace()})
			_, err := leasehold.Open(t.Context(), store, leasehold.Config{})
			if err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), "pooler in transaction mode") || !strings.Contains(err.Error(), "session mode") {
				t.Fatalf("through the pooler: %v", err)
			}
			if left := value[string](t, pool, `SELECT current_setting('application_name')`); strings.Contains(left, "leasehold") {
				t.Errorf("a setting of ours was left with the pooler: %q", left)
			}
		})
	}
}

// A pooler that keeps a server process for each connection will do.
func TestSessionThroughAPoolerInSessionMode(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	p := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: pgbouncer.Session})
	c, other := s.clientOn(poolAt(t, p.URL()), testTTL), s.Client()
	lock := s.Acquire(c, "a")
	s.Refused(other, "a")
	got := s.Waits(other, "a")
	s.Release(lock)
	s.Release(s.Within(sessiontest.Prompt, "the next holder", got))
	c.Close()
	if pids := s.Holders("a"); len(pids) > 0 {
		t.Errorf("the pooler's processes %v kept the lock", pids)
	}
}
