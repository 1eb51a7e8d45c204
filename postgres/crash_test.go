package postgres

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// crashing is a server that writes to its disk no sooner than a commit waits for that,
// and a client of it.
type crashing struct {
	*client
	t      *testing.T
	server *pgserver.Server
	admin  *pgxpool.Pool
}

func newCrashing(t *testing.T) *crashing {
	t.Helper()
	server := pgserver.ForTest(t, pgserver.Config{Settings: map[string]string{
		"wal_writer_delay": "10s", "wal_writer_flush_after": "1GB", "autovacuum": "off",
	}})
	admin, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(admin.Close)
	return &crashing{newClient(t, New(admin, Config{})), t, server, admin}
}

// crash kills the server's processes, and starts it again.
func (c *crashing) crash() {
	c.t.Helper()
	if err := errors.Join(c.server.Kill(), c.server.Restart(c.t.Context())); err != nil {
		c.t.Fatal(err)
	}
	c.admin.Reset()
}

// renew renews as a client does, until done.
func (c *crashing) renew(what string, done func() bool) {
	c.t.Helper()
	await(c.t, what, func() bool {
		_, err := c.RenewLease(c.t.Context(), c.lease.ID)
		return err == nil && done()
	})
}

// held reports whether the attempt holds, as somebody else reads it.
func (c *crashing) held(a driver.Attempt) bool {
	c.t.Helper()
	return value[bool](c.t, c.admin, `SELECT EXISTS (SELECT FROM leasehold.lock WHERE name = $1 AND holder_ticket = $2)`,
		a.Name, a.Ticket.String())
}

// undone makes releases, by the function given, until a crash right after one has undone
// it; the lock is then held by an attempt that its client has let go of. No call of c's
// has been made since.
func (c *crashing) undone(name string, release func(driver.Hold)) driver.Hold {
	c.t.Helper()
	for range 5 { // the server may write in between, if only each ten seconds
		c.release(c.attempt("awake")) // whatever the crash before has left broken
		hold := c.hold(name)
		release(hold)
		c.crash()
		if c.held(hold.Attempt) {
			return hold
		}
	}
	c.t.Fatal("no crash has undone a release")
	return driver.Hold{}
}

// A release that was answered and undone by a crash is made again: by the next call, and
// where there is none, with the renewals.
func TestHazard44_ReleaseSurvivesACrash(t *testing.T) {
	t.Parallel()
	c := newCrashing(t)
	c.renew("the keepalive's connection is there", func() bool { return true })
	for _, test := range []struct {
		name string
		next func() // what the client does after the crash
	}{
		{"NextCall", func() { c.release(c.attempt("another")) }},
		{"Renewals", func() {}},
	} {
		t.Run(test.name, func(t *testing.T) {
			hold := c.undone(test.name, func(hold driver.Hold) {
				if got, err := c.Release(t.Context(), hold.Attempt); got != driver.Released || err != nil {
					t.Fatalf("outcome %d, %v", got, err)
				}
			})
			test.next()
			c.renew("the ghost is gone", func() bool { return !c.held(hold.Attempt) })
			if again := c.hold(test.name); again.Fence <= hold.Fence {
				t.Errorf("fence %d after %d", again.Fence, hold.Fence)
			}
		})
	}
}

// The keepalive's connection alone was broken and made again, after the release was
// answered: its renewals prove nothing of that release, which stays remembered.
func TestHazard44_ReleaseSurvivesACrashAfterARenewalElsewhere(t *testing.T) {
	t.Parallel()
	c := newCrashing(t)
	hold := c.undone("a", func(hold driver.Hold) {
		if got, err := c.Release(t.Context(), hold.Attempt); got != driver.Released || err != nil {
			t.Fatalf("outcome %d, %v", got, err)
		}
		younger := &session{dialled: c.unflushed.list[0].answered}
		c.unflushed.flushed(younger, younger.dialled.Add(time.Nanosecond))
	})
	c.renew("the ghost is gone", func() bool { return !c.held(hold.Attempt) })
}

// A release in a batch waits for the disk: no crash undoes it, and nothing is remembered.
func TestAReleaseInABatchIsDurable(t *testing.T) {
	t.Parallel()
	c := newCrashing(t)
	for range 2 {
		c.release(c.attempt("awake"))
		hold := c.hold("a")
		release := c.releasing(hold.Attempt)
		c.batch(release, c.releasing(c.hold("b").Attempt))
		if release.outcome != driver.Released || len(c.unflushed.list) > 0 {
			t.Errorf("outcome %d; %d remembered", release.outcome, len(c.unflushed.list))
		}
		c.crash()
		if c.held(hold.Attempt) {
			t.Error("the crash has undone it")
		}
	}
}

// Only the keepalive's connection breaks. The renewals in the new one do not prove the
// release, so it is made again, and then proven.
func TestAReleaseIsProvenAfterTheKeepaliveBroke(t *testing.T) {
	t.Parallel()
	c := newClient(t, New(testPool(t), Config{Schema: testSchema(t)}))
	renew := func() bool { _, err := c.RenewLease(t.Context(), c.lease.ID); return err == nil }
	if !renew() {
		t.Fatal("no renewal")
	}
	c.release(c.hold("a").Attempt)
	remembered := func() int { return len(releases(&c.unflushed, tomorrowOfTheClock())) }
	if remembered() != 1 {
		t.Fatalf("%d remembered", remembered())
	}
	execSQL(t, testPool(t), `SELECT pg_terminate_backend($1::int)`, c.keepalive.session.backend.pid)
	await(t, "a renewal proves it", func() bool { return renew() && remembered() == 0 })
}
