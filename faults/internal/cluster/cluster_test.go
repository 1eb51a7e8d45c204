package cluster

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func start(t *testing.T, cfg Config) *Cluster {
	t.Helper()
	cfg.Places = 2
	c, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exec runs SQL as the process in a place.
func exec(t *testing.T, c *Cluster, place int, sql string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.URL(place))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	return err
}

func count(t *testing.T, c *Cluster, sql string) (n int) {
	t.Helper()
	must(t, c.on(t.Context(), func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, sql).Scan(&n)
	}))
	return n
}

// Clients find the primary at the same address, whichever server it is; standbys
// that were cut off lack what was committed since.
func TestFailoversInTurn(t *testing.T) {
	t.Parallel()
	c := start(t, Config{Standbys: 2})
	must(t, exec(t, c, 0, `CREATE TABLE t (x int)`))
	must(t, c.slots[1].Follow(t.Context(), c.slots[0])) // streams, so it has the table soon
	for _, standby := range c.slots[1:] {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
			if out, err := standby.Query(t.Context(), `SELECT to_regclass('t') IS NOT NULL`); err == nil && out == "t" {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("a standby does not get the table")
			}
		}
	}
	must(t, c.Detach(t.Context()))
	must(t, exec(t, c, 0, `INSERT INTO t VALUES (1)`))
	for range 2 {
		must(t, c.Failover(t.Context()))
		if n := count(t, c, `SELECT count(*) FROM t`); n != 0 {
			t.Errorf("%d rows that no standby can have", n)
		}
		must(t, exec(t, c, 1, `INSERT INTO t VALUES (2)`))
	}
	if n := c.Standbys(); n != 0 {
		t.Errorf("%d standbys are left", n)
	}
	must(t, c.Refill(t.Context()))
	if n := c.Standbys(); n != 2 {
		t.Errorf("%d standbys after Refill", n)
	}
	must(t, exec(t, c, 1, `INSERT INTO t VALUES (3)`))
}

// A commit whose wait for the standby was cancelled is not on it, and others are.
func TestSynchronousStandbyHasWhatWasConfirmed(t *testing.T) {
	t.Parallel()
	c := start(t, Config{Standbys: 1, Synchronous: true})
	must(t, exec(t, c, 0, `CREATE TABLE t (x int); INSERT INTO t VALUES (1)`))
	must(t, c.Detach(t.Context()))
	done := make(chan error, 1)
	go func() { done <- exec(t, c, 0, `INSERT INTO t VALUES (2)`) }()
	for waiting := true; waiting; {
		must(t, c.CancelWaits(t.Context(), 50*time.Millisecond))
		select {
		case err := <-done:
			must(t, err) // with a warning
			waiting = false
		default:
		}
	}
	if n := count(t, c, `SELECT count(*) FROM t`); n != 2 {
		t.Errorf("%d rows on the primary", n)
	}
	must(t, c.Failover(t.Context()))
	if n := count(t, c, `SELECT count(*) FROM t`); n != 1 {
		t.Errorf("%d rows on the standby", n)
	}
}

func TestOnlySessionsOfClientsAreEnded(t *testing.T) {
	t.Parallel()
	c := start(t, Config{})
	stranger, err := pgx.Connect(t.Context(), c.Direct())
	must(t, err)
	defer stranger.Close(context.WithoutCancel(t.Context()))
	ours, err := pgx.Connect(t.Context(), c.URL(0))
	must(t, err)
	defer ours.Close(context.WithoutCancel(t.Context()))
	must(t, c.Terminate(t.Context()))
	if err := ours.Ping(t.Context()); err == nil {
		t.Error("a session of a client lives")
	}
	must(t, stranger.Ping(t.Context()))
}

func TestCrowdTakesAllConnections(t *testing.T) {
	t.Parallel()
	c := start(t, Config{Settings: map[string]string{"max_connections": "20"}})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Crowd(ctx) }()
	var ours []*pgx.Conn // one may have kept the crowd from the last place
	for deadline := time.Now().Add(20 * time.Second); ; {
		conn, err := pgx.Connect(t.Context(), c.Direct())
		if err != nil && strings.Contains(err.Error(), "53300") { // too_many_connections
			break
		}
		must(t, err)
		ours = append(ours, conn)
		if time.Now().After(deadline) {
			t.Fatal("there is room")
		}
	}
	cancel()
	must(t, <-done)
	for _, conn := range ours {
		_ = conn.Close(t.Context()) // the crowd may have ended it
	}
	must(t, c.on(t.Context(), func(ctx context.Context, conn *pgx.Conn) error { return conn.Ping(ctx) }))
}

func TestOutsideWantsOneHost(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"host=a user=b", "postgres://a,b/c", "nonsense://", "postgres://u:secret@%zz/"} {
		c, err := Outside(address, 2, true, 1)
		if err == nil {
			t.Errorf("%s: no error; closed: %v", address, c.Close())
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the password is in %v", err)
		}
	}
}
