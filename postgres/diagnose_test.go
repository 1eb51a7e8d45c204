package postgres

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// findings are those of one Diagnose, by check.
type findings map[string]driver.Finding

// examine diagnoses the store. No finding holds a password, is without words, or
// calls for a change that it does not name.
func examine(t *testing.T, store *Store) findings {
	t.Helper()
	list, err := store.diagnose(t.Context(), 200*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	found := findings{}
	for _, f := range list {
		t.Logf("%s: %s: %s -> %s", f.Check, f.Level, f.Finding, f.Advice)
		if _, twice := found[f.Check]; twice || f.Check == "" || f.Finding == "" {
			t.Errorf("not one finding: %+v", f)
		}
		if password := store.pool.ConnConfig.Password; password != "" && strings.Contains(f.Finding+f.Advice, password) {
			t.Errorf("the password is in the finding of %s", f.Check)
		}
		if f.Level == driver.LevelProblem && f.Advice == "" {
			t.Errorf("no advice for the problem %q", f.Finding)
		}
		found[f.Check] = f
	}
	return found
}

// want fails unless the check has the level, and its finding and advice the words.
func (f findings) want(t *testing.T, check string, level driver.Level, words ...string) {
	t.Helper()
	found, ok := f[check]
	if !ok || found.Level != level {
		t.Errorf("%s: %q (%s), want level %s", check, found.Finding, found.Level, level)
	}
	for _, word := range words {
		if !strings.Contains(found.Finding+"\n"+found.Advice, word) {
			t.Errorf("%s: %q is missing from %q, %q", check, word, found.Finding, found.Advice)
		}
	}
}

func (f findings) wantNone(t *testing.T, checks ...string) {
	t.Helper()
	for _, check := range checks {
		if found, ok := f[check]; ok {
			t.Errorf("%s: %+v, want no finding", check, found)
		}
	}
}

// wantNoProblem fails if anything has to be changed.
func (f findings) wantNoProblem(t *testing.T) {
	t.Helper()
	for check, found := range f {
		if found.Level == driver.LevelProblem {
			t.Errorf("%s is a problem: %s", check, found.Finding)
		}
	}
}

// poolAt returns a pool of another server than the test server.
func poolAt(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func TestDiagnoseAGoodDatabase(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema, Prefix: "my_"})
	before := examine(t, store)
	before.want(t, "schema", driver.LevelOK, "no tables yet", schema)
	before.wantNone(t, "privileges", "tables", "epoch", "rows")
	before.wantNoProblem(t)
	if n := value[int](t, pool, `SELECT count(*)::int FROM pg_namespace WHERE nspname = $1::text`, schema); n != 0 {
		t.Error("to look made the schema")
	}

	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	examine(t, store).want(t, "epoch", driver.LevelOK, "no client")
	c := newClient(t, store)
	c.hold("a")
	after := examine(t, store)
	after.wantNoProblem(t)
	for check, word := range map[string]string{
		"server": "PostgreSQL ", "primary": "takes writes", "encoding": "UTF8", "pooler": "none",
		"connection": "read committed", "schema": "protocol 1; no TTL above 1m0s", "privileges": "has what it needs",
		"tables": "as they were made", "incarnation": "a failover is noticed", "epoch": "granting",
		"replication": "no standby", "durability": "are on", "commits": "on", "isolation": "read committed",
		"time zone": "no row depends", "notifications": "arrived", "autovacuum": "on",
	} {
		after.want(t, check, driver.LevelOK, word)
	}
	if n := pool.Stat().TotalConns(); n > 1 { // the one of value above
		t.Errorf("%d connections of the caller's pool were used", n)
	}
}

func TestHazard45_DiagnoseAStandby(t *testing.T) {
	t.Parallel()
	primary := pgserver.ForTest(t, pgserver.Config{})
	store := New(poolAt(t, primary.URL()), Config{})
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	standby, err := primary.Standby(t.Context(), "one")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = standby.Close() })

	found := examine(t, New(poolAt(t, standby.URL()), Config{}))
	found.want(t, "primary", driver.LevelProblem, "standby", "target_session_attrs=read-write")
	found.wantNone(t, "connection", "incarnation", "epoch", "replication", "notifications", "commit latency")
	examine(t, store).want(t, "replication", driver.LevelOK, "1 asynchronous", "nothing is granted")

	several := strings.TrimSuffix(pgserver.MultiURL(primary, standby), "&target_session_attrs=read-write")
	examine(t, New(poolAt(t, several), Config{})).want(t, "primary", driver.LevelWarning, "several hosts")
	found = examine(t, New(poolAt(t, pgserver.MultiURL(standby, primary)), Config{}))
	found.want(t, "primary", driver.LevelOK, "takes writes")

	setGrace := func(on bool) {
		if _, err := primary.Query(t.Context(), fmt.Sprintf(`UPDATE leasehold.meta SET grace = %v`, on)); err != nil {
			t.Fatal(err)
		}
	}
	setGrace(false)
	examine(t, store).want(t, "replication", driver.LevelProblem, "asynchronous", "turned off", "--grace=on")
	if err := primary.Synchronous(t.Context(), standby); err != nil {
		t.Fatal(err)
	}
	examine(t, store).want(t, "replication", driver.LevelOK, "synchronous", "promote synchronous standbys only")
	setGrace(true)
	examine(t, store).want(t, "replication", driver.LevelOK, "synchronous", "there is a pause")
}

// Everything that a server can have turned off.
func TestHazard44_DiagnoseBadDefaults(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{Settings: map[string]string{
		"synchronous_commit": "off", "fsync": "off", "full_page_writes": "off", "autovacuum": "off",
		"default_transaction_isolation": "repeatable read", "statement_timeout": "150", "TimeZone": "Pacific/Apia",
		"max_connections": "14",
	}})
	store := New(poolAt(t, server.URL()), Config{})
	newClient(t, store)
	found := examine(t, store)
	found.want(t, "durability", driver.LevelProblem, "fsync is off and full_page_writes is off", "turn it on")
	found.want(t, "commits", driver.LevelWarning, "synchronous_commit is off", "our own connections set it on", "guarded")
	found.want(t, "isolation", driver.LevelWarning, "repeatable read", "40001")
	found.want(t, "timeouts", driver.LevelWarning, "statement_timeout is 150ms", "guard")
	found.want(t, "time zone", driver.LevelOK, "Pacific/Apia", "UTC")
	found.want(t, "autovacuum", driver.LevelWarning, "autovacuum is off")
	found.want(t, "connections", driver.LevelWarning, "of 11 connections", "up to 3")
	found.want(t, "connection", driver.LevelOK, "synchronous_commit on, read committed, UTC")
}

func TestDiagnoseDefaultsOfADatabase(t *testing.T) {
	t.Parallel()
	found := examine(t, New(hostile(t, `default_transaction_read_only = on`, `synchronous_commit = local`), Config{}))
	found.want(t, "primary", driver.LevelProblem, "read-only by default", "(database)")
	found.want(t, "commits", driver.LevelWarning, "local", "(database)")

	found = examine(t, New(hostile(t, `idle_in_transaction_session_timeout = '10s'`), Config{}))
	found.want(t, "timeouts", driver.LevelOK, "ended after 10s")
}

func TestDiagnoseAnEncoding(t *testing.T) {
	t.Parallel()
	admin, name := testPool(t), testSchema(t)
	execSQL(t, admin, `CREATE DATABASE `+name+` ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'`)
	t.Cleanup(func() { execSQL(t, admin, `DROP DATABASE `+name+` WITH (FORCE)`) })
	pool := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.Database = name })
	found := examine(t, New(pool, Config{}))
	found.want(t, "encoding", driver.LevelProblem, "LATIN1", "ENCODING 'UTF8'")
}

func TestDiagnoseFailures(t *testing.T) {
	t.Parallel()
	_, err := New(testPool(t), Config{Schema: "Bad"}).Diagnose(t.Context())
	wantPermanent(t, err, "Bad")
	wrong := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.Password = "not the password" })
	_, err = New(wrong, Config{}).Diagnose(t.Context())
	wantPermanent(t, err, "password authentication failed")
	if strings.Contains(err.Error(), "not the password") {
		t.Errorf("the password is in %q", err)
	}
	absent, parseErr := url.Parse(serverURL(t))
	if parseErr != nil {
		t.Fatal(parseErr)
	}
	absent.Host = "127.0.0.1:1"
	begin := time.Now()
	if _, err = New(poolAt(t, absent.String()), Config{}).Diagnose(t.Context()); err == nil || driver.IsPermanent(err) {
		t.Errorf("no server: %v", err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("no server was found out after %v", took)
	}
}
