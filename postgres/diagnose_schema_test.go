package postgres

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// newRole makes a role that may do nothing, and returns a pool of its own.
func newRole(t *testing.T, role string) *pgxpool.Pool {
	t.Helper()
	pool := testPool(t)
	execSQL(t, pool, `CREATE ROLE `+role+` LOGIN PASSWORD 'secret of the role'`)
	t.Cleanup(func() { execSQL(t, pool, `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	return testPool(t, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.User, cfg.ConnConfig.Password = role, "secret of the role"
	})
}

func TestDiagnosePrivileges(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	role := schema + "_role"
	store := New(newRole(t, role), Config{Schema: schema})
	examine(t, store).want(t, "schema", driver.LevelProblem, "no tables", role, "leasehold migrate")
	if err := New(pool, Config{Schema: schema}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	found := examine(t, store)
	found.want(t, "schema", driver.LevelProblem, "GRANT USAGE ON SCHEMA "+schema+" TO "+role)
	found.want(t, "privileges", driver.LevelProblem, "SELECT, UPDATE on "+schema+".epoch",
		"SELECT, INSERT, UPDATE, DELETE on "+schema+".lease", "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "+schema)
	found.want(t, "snapshots", driver.LevelOK, "pg_read_all_stats")

	execSQL(t, pool, `GRANT USAGE ON SCHEMA `+schema+` TO `+role)
	execSQL(t, pool, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA `+schema+` TO `+role)
	examine(t, store).wantNoProblem(t)

	execSQL(t, pool, `REVOKE UPDATE ON `+schema+`.lock FROM `+role)
	found = examine(t, store)
	found.want(t, "privileges", driver.LevelProblem, "lacks UPDATE on "+schema+".lock")
	execSQL(t, pool, `REVOKE ALL ON `+schema+`.meta FROM `+role)
	found = examine(t, store)
	found.want(t, "privileges", driver.LevelProblem, "SELECT on "+schema+".meta")
	found.wantNone(t, "schema", "epoch")
}

func TestDiagnoseSchema(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, change := range []struct {
		sql, undo, check string
		level            driver.Level
		word             string
	}{
		{`UPDATE %.meta SET version = 1`, `UPDATE %.meta SET version = 2`, "schema", driver.LevelProblem, "leasehold migrate"},
		{`UPDATE %.meta SET protocol = 9, oldest_protocol = 8`, `UPDATE %.meta SET oldest_protocol = 1, protocol = 1`, "schema", driver.LevelProblem, "protocol 8"},
		{`UPDATE %.meta SET max_ttl_ms = 90000`, ``, "schema", driver.LevelOK, "1m30s"},
		{`ALTER TABLE %.lock SET UNLOGGED`, `ALTER TABLE %.lock SET LOGGED`, "tables", driver.LevelProblem, "a crash empties it: lock"},
		{`CREATE INDEX extra ON %.lock (granted_at)`, `DROP INDEX %.extra`, "tables", driver.LevelWarning, "more than one index on lock"},
		{`CREATE TRIGGER extra BEFORE UPDATE ON %.lease FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`,
			`DROP TRIGGER extra ON %.lease`, "tables", driver.LevelWarning, "triggers on lease"},
		{`ALTER TABLE %.lock SET (autovacuum_enabled = off)`, `ALTER TABLE %.lock RESET (autovacuum_enabled)`, "rows", driver.LevelWarning, "turned off for lock"},
		{`DELETE FROM %.meta`, ``, "schema", driver.LevelProblem, "first rows"},
	} {
		execSQL(t, pool, in(schema, change.sql))
		examine(t, store).want(t, change.check, change.level, change.word)
		if change.undo != "" {
			execSQL(t, pool, in(schema, change.undo))
		}
	}
}

func TestDiagnoseRowSecurity(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	role := schema + "_role"
	asRole := newRole(t, role)
	if err := New(pool, Config{Schema: schema}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	execSQL(t, pool, `GRANT USAGE ON SCHEMA `+schema+` TO `+role)
	execSQL(t, pool, `GRANT ALL ON ALL TABLES IN SCHEMA `+schema+` TO `+role)
	execSQL(t, pool, `ALTER TABLE `+schema+`.lock ENABLE ROW LEVEL SECURITY`)
	examine(t, New(asRole, Config{Schema: schema})).want(t, "tables", driver.LevelProblem, "row security", "lock")
}

func TestDiagnoseEpoch(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	c := newClient(t, store)
	execSQL(t, pool, `UPDATE `+schema+`.epoch SET timeline = 'another'`)
	examine(t, store).want(t, "epoch", driver.LevelWarning, "no client has seen it", "1m30s")
	if _, err := c.RenewLease(t.Context(), c.lease.ID); err != nil { // records it
		t.Fatal(err)
	}
	examine(t, store).want(t, "epoch", driver.LevelWarning, "nothing is granted for up to another 1m")
	execSQL(t, pool, `UPDATE `+schema+`.meta SET grace = false`)
	examine(t, store).want(t, "replication", driver.LevelWarning, "turned off", "--grace=on")
}

// A service that does not let the role see what tells a failover.
func TestDiagnoseUntoldIncarnation(t *testing.T) {
	t.Parallel()
	pool := hostile(t)
	role := testSchema(t) + "_role"
	newRole(t, role)
	asRole := testPool(t, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.Database = pool.Config().ConnConfig.Database
		cfg.ConnConfig.User, cfg.ConnConfig.Password = role, "secret of the role"
	})
	execSQL(t, pool, `REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC`)
	found := examine(t, New(asRole, Config{}))
	found.want(t, "incarnation", driver.LevelWarning, "system identifier", "pg_control_system()")
	execSQL(t, pool, `REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC`)
	found = examine(t, New(asRole, Config{}))
	found.want(t, "incarnation", driver.LevelWarning, "system identifier", "timeline", "--new-epoch")
}

// in puts the schema's name for % in sql.
func in(schema, sql string) string { return strings.ReplaceAll(sql, "%", schema) }
