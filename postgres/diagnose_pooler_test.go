package postgres

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
)

// Hazard 35: a pooler that lends server connections is found out, however many it
// has, in whatever order it lends them, and whatever else goes through it.
func TestHazard35_DiagnoseAPooler(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		mode  pgbouncer.Mode
		size  int
		turns bool // connections are lent in turn
		busy  int  // others that use the pooler meanwhile
	}{
		{pgbouncer.Transaction, 1, false, 0},
		{pgbouncer.Transaction, 2, false, 0},
		{pgbouncer.Transaction, 20, false, 0},
		{pgbouncer.Transaction, 2, true, 2},
		{pgbouncer.Transaction, 3, true, 0},
		{pgbouncer.Transaction, 20, true, 5},
	} {
		t.Run(fmt.Sprintf("%s %d turns=%v busy=%d", c.mode, c.size, c.turns, c.busy), func(t *testing.T) {
			t.Parallel()
			settings := map[string]string{"min_pool_size": fmt.Sprint(min(c.size, 3))}
			if c.turns {
				settings["server_round_robin"] = "1"
			}
			p := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: c.mode, Size: c.size, Settings: settings})
			for range c.busy {
				keepBusy(t, p.URL())
			}
			found := examine(t, New(poolAt(t, p.URL()), Config{Schema: testSchema(t)}))
			found.want(t, "pooler", driver.LevelWarning, "transaction mode", "by polling", "connect to the server itself", "session mode")
			found.wantNone(t, "connection", "notifications", "commit latency") // they would change settings of others
		})
	}
}

// keepBusy runs statements through the pooler until the test ends.
func keepBusy(t *testing.T, url string) {
	pool := poolAt(t, url+"&default_query_exec_mode=exec")
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-done:
				return
			default:
				_, _ = pool.Exec(t.Context(), `SELECT 1`)
			}
		}
	}()
	t.Cleanup(func() { close(done); <-ended })
}

func TestDiagnoseAPoolerInSessionMode(t *testing.T) {
	t.Parallel()
	p := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: pgbouncer.Session})
	store := New(poolAt(t, p.URL()), Config{Schema: testSchema(t)})
	c := newClient(t, store)
	c.hold("a")
	found := examine(t, store)
	found.want(t, "pooler", driver.LevelOK, "session mode")
	found.want(t, "connection", driver.LevelOK, "read committed")
	found.want(t, "notifications", driver.LevelOK, "arrived")
	found.wantNoProblem(t)
}

// A pooler in session mode that has one connection to the server cannot serve a
// client, which needs three.
func TestDiagnoseAPoolerThatIsTooSmall(t *testing.T) {
	t.Parallel()
	p := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: pgbouncer.Session, Size: 1})
	found := examine(t, New(poolAt(t, p.URL()), Config{Schema: testSchema(t)}))
	found.want(t, "pooler", driver.LevelProblem, "not served", "three connections")
}

// A pooler that refuses a setting of the URL is told from a server that is away.
func TestDiagnoseAPoolerThatRefusesSettings(t *testing.T) {
	t.Parallel()
	p := pgbouncer.ForTest(t, pgbouncer.Config{Server: serverURL(t), Mode: pgbouncer.Session})
	_, err := New(poolAt(t, p.URL()+"&lock_timeout=100"), Config{}).Diagnose(t.Context())
	wantPermanent(t, err, "a pooler", "lock_timeout", "ignore_startup_parameters")
}

func TestDiagnoseConnectionsOfTheRole(t *testing.T) {
	t.Parallel()
	role := testSchema(t) + "_role"
	pool, admin := newRole(t, role), testPool(t)
	execSQL(t, admin, `ALTER ROLE `+role+` CONNECTION LIMIT 2`)
	found := examine(t, New(pool, Config{}))
	found.want(t, "connections", driver.LevelProblem, "2 of 2 connections that the role allows", "up to 3")
	execSQL(t, admin, `ALTER ROLE `+role+` CONNECTION LIMIT 1`)
	await(t, "the sessions of the role have ended", func() bool {
		return value[int](t, admin, `SELECT count(*) FROM pg_stat_activity WHERE usename = $1`, role) == 0
	})
	found = examine(t, New(pool, Config{}))
	found.want(t, "pooler", driver.LevelProblem, "a second connection", "three connections")
}

// A transaction that was left open is named.
func TestDiagnoseOldTransactions(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]snapshot{
		"open for 6m0s":               {oldest: 360},
		"open for 10m0s":              {prepared: 600},
		"idle in a transaction for":   {oldest: 61, idle: 61},
		"inactive replication slot":   {slots: 2e6},
		"a standby's oldest snapshot": {standbys: 2e6},
	} {
		findings{"snapshots": s.finding("app")}.want(t, "snapshots", driver.LevelWarning, want)
	}
	findings{"snapshots": snapshot{oldest: 59, idle: 59}.finding("app")}.want(t, "snapshots", driver.LevelOK, "no old transaction")
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.RuntimeParams["application_name"] = t.Name() })
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	x := &examination{cfg: Config{}, dialer: newDialer(pool.Config(), migrateTTL)}
	if x.conn, err = x.connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer x.close()
	if s, err := x.snapshot(t.Context()); err != nil || s.oldest <= 0 || s.idle <= 0 || s.oldest+1 < s.idle {
		t.Errorf("beside a transaction that is open: %+v, %v", s, err)
	}
}
