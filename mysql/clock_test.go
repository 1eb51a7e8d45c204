package mysql

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// Instants that are stored are the server's, whatever the client's clock says.
func TestHazard26_NoClientClockIsStored(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	c := newClient(t, storeIn(t, database))
	hold := c.hold("a")
	wrong := time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := c.Revoke(t.Context(), "a", hold.Fence, driver.Mark{By: "b", At: wrong, Age: 999 * time.Hour}); err != nil {
		t.Fatal(err)
	}
	if row := c.row("a"); row.Mark.Age > time.Minute || row.Age > time.Minute {
		t.Errorf("ages %v and %v", row.Mark.Age, row.Age)
	}
	db := openDB(t, serverURL(t))
	for _, text := range []string{
		"SELECT renewed_at FROM " + database + ".leasehold_lease",
		"SELECT granted_at FROM " + database + ".leasehold_lock",
		"SELECT marked_at FROM " + database + ".leasehold_lock",
	} {
		if away := time.Duration(value[int64](t, db, "SELECT "+clockSQL)-value[int64](t, db, text)) * time.Microsecond; away.Abs() > time.Minute {
			t.Errorf("an instant is %v away from the server's clock: %s", away, text)
		}
	}
}

// The server's clock is stepped forward right after a renewal, by no more than the
// tolerance: nobody takes over. With the tolerance "never", no step matters. (What the step
// does to the rows is what is done here: renewals seem to be older.)
func TestHazard29_ClockStepExpiresNoLiveLease(t *testing.T) {
	t.Parallel()
	const ttl = 2 * time.Second // so is the tolerance
	for what, c := range map[string]struct {
		tolerance, step time.Duration
	}{"WithinTolerance": {0, ttl - 200*time.Millisecond}, "Never": {-1, 24 * time.Hour}} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			database := testDatabase(t)
			db, lease := openDB(t, serverURL(t)), database+".leasehold_lease"
			holder := openClient(t, storeIn(t, database), leasehold.Config{TTL: ttl})
			lock, err := holder.Acquire(t.Context(), "a")
			if err != nil {
				t.Fatal(err)
			}
			other := openClient(t, storeIn(t, database), leasehold.Config{TTL: ttl, Tolerance: c.tolerance})
			for range 10 {
				execSQL(t, db, "UPDATE "+lease+" SET renewed_at = "+clockSQL+" - "+number(c.step.Microseconds()))
				if _, err := other.TryAcquire(t.Context(), "a"); !errors.Is(err, leasehold.ErrHeld) {
					t.Fatalf("after a step of %v: %v", c.step, err)
				}
				execSQL(t, db, "UPDATE "+lease+" SET renewed_at = "+clockSQL)
				time.Sleep(20 * time.Millisecond) // some renewals come in between
			}
			if !lock.Held() {
				t.Errorf("lost: %v", context.Cause(lock.Context()))
			}
		})
	}
}

// The locks of a session do not end by any clock: rows that seem old end none.
func TestHazard29_ClockStepEndsNoSession(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c, other := s.Client(), s.Client()
	lock := s.Acquire(c, "a")
	table := s.cfg.Database + ".leasehold_fence"
	for _, step := range []string{"+ 86400000000", "- 172800000000"} {
		execSQL(t, s.db, "UPDATE "+table+" SET last = last "+step)
		s.Refused(other, "a")
	}
	if !lock.Held() {
		t.Errorf("lost: %v", context.Cause(lock.Context()))
	}
	s.Release(lock)
}

func openClient(t *testing.T, store driver.Store, cfg leasehold.Config) *leasehold.Client {
	t.Helper()
	client, err := leasehold.Open(t.Context(), store, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}
