package postgres

import (
	"cmp"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// connect calls Connect and closes what it gives.
func connect(t testing.TB, store *Store, ttl time.Duration) error {
	t.Helper()
	c, err := store.Connect(t.Context(), driver.Settings{TTL: ttl})
	if err == nil {
		_ = c.Close()
	}
	return err
}

// wantPermanent fails unless err is permanent and its text has the words.
func wantPermanent(t testing.TB, err error, words ...string) {
	t.Helper()
	if !driver.IsPermanent(err) {
		t.Fatalf("not a permanent error: %v", err)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is missing from: %v", w, err)
		}
	}
}

func TestTwentyClientsMakeTheSchemaAtOnce(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	start := make(chan struct{})
	errs := make([]error, 20)
	var wg sync.WaitGroup
	for i := range errs {
		store := New(pool, Config{Schema: schema})
		wg.Go(func() {
			<-start
			errs[i] = connect(t, store, time.Second)
		})
	}
	close(start)
	wg.Wait()
	for i, err := range errs {
		if err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	if !value[bool](t, pool, `SELECT number > 0 AND granting FROM `+schema+`.epoch`) {
		t.Error("the first incarnation does not grant")
	}
}

// A role that may only use the tables can do everything.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	role := schema + "_role"
	execSQL(t, pool, `CREATE ROLE `+role+` LOGIN PASSWORD 'secret'`)
	t.Cleanup(func() { execSQL(t, pool, `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	asRole := testPool(t, func(cfg *pgxpool.Config) {
		cfg.ConnConfig.User, cfg.ConnConfig.Password = role, "secret"
	})
	store := New(asRole, Config{Schema: schema})

	wantPermanent(t, connect(t, store, testTTL), "leasehold migrate", schema)
	if err := New(pool, Config{Schema: schema}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPermanent(t, connect(t, store, testTTL), "USAGE", "INSERT", schema)
	execSQL(t, pool, `GRANT USAGE ON SCHEMA `+schema+` TO `+role)
	execSQL(t, pool, `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA `+schema+` TO `+role)

	holder, waiter := newClient(t, store), newClient(t, store)
	hold := holder.hold("a")
	next := waiter.queue("a")
	tx, err := asRole.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := guardHold(t.Context(), tx, hold); err != nil {
		t.Errorf("guard: %v", err)
	}
	_ = tx.Rollback(t.Context())
	if err := waiter.Revoke(t.Context(), "a", hold.Fence, driver.Mark{By: "op"}); err != nil {
		t.Error(err)
	}
	if err := waiter.TakeOver(t.Context(), "a", nil, hold.Fence); err != nil {
		t.Error(err)
	}
	if got := waiter.release(next); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
	if gone, err := holder.EndLease(t.Context(), holder.lease.ID, driver.Grounds{Own: true}); !gone || err != nil {
		t.Error(gone, err)
	}
	// A failover is recorded by it, too.
	execSQL(t, pool, `UPDATE `+schema+`.epoch SET timeline = 'another'`)
	if _, err := waiter.Acquire(t.Context(), waiter.attempt("b"), false); !paused(err) {
		t.Errorf("Acquire: %v", err)
	}
}

func TestManualSchema(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	cfg := Config{Schema: schema, Prefix: "my_", ManualSchema: true}
	wantPermanent(t, connect(t, New(pool, cfg), testTTL), "leasehold migrate")
	sql, err := MigrationSQL(cfg)
	if err != nil {
		t.Fatal(err)
	}
	execSQL(t, pool, sql)
	if err := connect(t, New(pool, cfg), testTTL); err != nil {
		t.Fatal(err)
	}
	if n := value[int](t, pool, `SELECT count(*)::int FROM pg_tables WHERE schemaname = $1::text AND tablename LIKE 'my\_%'`, schema); n != 4 {
		t.Errorf("%d tables with the prefix, want 4", n)
	}
	if err := New(pool, cfg).Migrate(t.Context()); err != nil {
		t.Errorf("Migrate of tables made by hand: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	store := New(pool, Config{Schema: schema})
	if err := connect(t, store, testTTL); err != nil {
		t.Fatal(err)
	}
	wantPermanent(t, connect(t, store, 2*time.Minute), "2m0s", "1m0s")
	wantPermanent(t, connect(t, store, time.Millisecond), "100ms")
	execSQL(t, pool, `UPDATE `+schema+`.meta SET version = 99, protocol = 9`)
	if err := connect(t, store, testTTL); err != nil {
		t.Errorf("newer tables that are compatible: %v", err)
	}
	execSQL(t, pool, `UPDATE `+schema+`.meta SET oldest_protocol = 8`)
	wantPermanent(t, connect(t, store, testTTL), "protocol 8", "update the program")
}

// The database's encoding cannot store every name.
func TestEncodingIsChecked(t *testing.T) {
	t.Parallel()
	pool := testPool(t)
	name := testSchema(t)
	execSQL(t, pool, `CREATE DATABASE `+name+` ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0`)
	t.Cleanup(func() { execSQL(t, pool, `DROP DATABASE `+name+` WITH (FORCE)`) })
	latin := testPool(t, func(cfg *pgxpool.Config) { cfg.ConnConfig.Database = name })
	wantPermanent(t, connect(t, New(latin, Config{}), testTTL), "LATIN1", "UTF8")
}

// schema.sql is what the migrations make, and they say what it says.
func TestSchemaFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	pool, byFile, byMigration := testPool(t), testSchema(t), testSchema(t)
	execSQL(t, pool, Config{Schema: byFile}.render(string(text)))
	if err := New(pool, Config{Schema: byMigration}).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, want := describe(t, pool, byFile), describe(t, pool, byMigration)
	if got != want {
		t.Errorf("schema.sql makes\n%s\nthe migrations make\n%s", got, want)
	}
	if len(want) < 1000 {
		t.Errorf("the description says too little: %s", want)
	}
}

// describe returns what the catalogue says about a schema.
func describe(t *testing.T, pool *pgxpool.Pool, schema string) string {
	t.Helper()
	const sql = `SELECT string_agg(line, E'\n' ORDER BY line) FROM (
		SELECT format('%s.%s %s %s %s %s', c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attstorage,
			concat_ws(' ', a.attnotnull, co.collname, pg_get_expr(d.adbin, d.adrelid))) AS line
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
		LEFT JOIN pg_collation co ON co.oid = a.attcollation
		LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'
		UNION ALL
		SELECT format('%s options %s', relname, reloptions) FROM pg_class WHERE relnamespace = $1::text::regnamespace AND relkind = 'r'
		UNION ALL
		SELECT format('%s %s', conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = $1::text::regnamespace
		UNION ALL
		SELECT format('index %s', indexname) FROM pg_indexes WHERE schemaname = $1::text
		UNION ALL
		SELECT format('meta %s', (SELECT xmlserialize(content query_to_xml('SELECT * FROM ' || $1::text || '.meta', true, true, '') AS text)))
	) AS lines`
	return value[string](t, pool, sql, schema)
}

func TestHazard41_Injection(t *testing.T) {
	t.Parallel()
	pool := testPool(t)
	bad := []string{`a"b`, `a.b`, `a;drop table x`, `A`, `ä`, `1a`, ` a`, `a b`, `pg_a`, strings.Repeat("a", 64), "a\x00b", "a'--"}
	for _, name := range bad {
		wantPermanent(t, connect(t, New(pool, Config{Schema: name}), testTTL), "schema")
		if name == "pg_a" {
			continue // fine for tables
		}
		wantPermanent(t, connect(t, New(pool, Config{Prefix: name}), testTTL), "prefix")
		if _, err := MigrationSQL(Config{Prefix: name}); err == nil {
			t.Errorf("MigrationSQL took the prefix %q", name)
		}
	}
	if sql := (Config{}).render(`SELECT FROM leasehold.lock`); sql != `SELECT FROM "leasehold"."lock"` {
		t.Errorf("rendered %s", sql)
	}
	schema := testSchema(t)
	longest := schema + "_" + strings.Repeat("x", maxIdentifier-len(schema)-1)
	t.Cleanup(func() { execSQL(t, pool, `DROP SCHEMA IF EXISTS `+longest+` CASCADE`) })
	c := newClient(t, New(pool, Config{Schema: longest, Prefix: strings.Repeat("p", maxPrefix)}))
	for _, name := range []string{`'; DROP TABLE "leasehold"."lock"; --`, `$1`, `leasehold.lock`, `\`, "\x01\n"} {
		if got := c.release(c.hold(name).Attempt); got != driver.Released {
			t.Errorf("name %q: outcome %d", name, got)
		}
	}
}

// No password and no SQL in an error's text.
func TestHazard42_ErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	parsed, err := url.Parse(serverURL(t))
	if err != nil {
		t.Fatal(err)
	}
	const secret = "hunter2"
	change := map[string]func(*pgxpool.Config){
		"nobody":      func(cfg *pgxpool.Config) { cfg.ConnConfig.User = "no_such_role" },
		"closed":      func(cfg *pgxpool.Config) { cfg.ConnConfig.Port = 1 },
		"no database": func(cfg *pgxpool.Config) { cfg.ConnConfig.Database = "no_such_database" },
		"no host":     func(cfg *pgxpool.Config) { cfg.ConnConfig.Host = "no-such-host.invalid" },
	}
	texts := map[string]string{}
	for name, f := range change {
		pool := testPool(t, func(cfg *pgxpool.Config) {
			cfg.ConnConfig.Password = secret
			cfg.ConnConfig.Fallbacks = nil
			f(cfg)
		})
		if err := connect(t, New(pool, Config{}), testTTL); err == nil {
			t.Errorf("%s: connected", name)
		} else {
			texts[name] = err.Error()
		}
	}
	c := newClient(t, New(testPool(t), Config{Schema: testSchema(t)}))
	for name, bad := range map[string]string{"NUL": "a\x00b", "not UTF-8": "a\xff", "empty": "", "long": strings.Repeat("x", maxName+1)} {
		_, err := c.Acquire(t.Context(), c.attempt(bad), true)
		wantPermanent(t, err)
		texts[name] = err.Error()
	}
	password, _ := parsed.User.Password()
	for name, text := range texts {
		for _, word := range []string{secret, cmp.Or(password, secret), "SELECT", "INSERT", "postgres://", "user="} {
			if strings.Contains(text, word) {
				t.Errorf("%s: %q in %s", name, word, text)
			}
		}
	}
}
