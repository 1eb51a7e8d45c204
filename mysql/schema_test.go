package mysql

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
)

func TestTwentyClientsMakeTheTablesAtOnce(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			c, err := store.Connect(t.Context(), driver.Settings{TTL: testTTL})
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	wg.Wait()
	newClient(t, store).hold("a")
}

// asUser returns the settings of a new user who has the rights on the database.
func asUser(t *testing.T, database, rights string) string {
	t.Helper()
	db := openDB(t, serverURL(t))
	user := fmt.Sprintf("user_%d", databases.Add(1))
	execSQL(t, db, "CREATE USER "+user+"@'%' IDENTIFIED BY 'secret word'")
	t.Cleanup(func() { execSQL(t, db, "DROP USER "+user+"@'%'") })
	for one := range strings.SplitSeq(rights, ";") {
		execSQL(t, db, "GRANT "+strings.ReplaceAll(one, "DB", database)+" TO "+user+"@'%'")
	}
	return settingsOf(t, serverURL(t), func(cfg *mysql.Config) {
		cfg.User, cfg.Passwd, cfg.DBName = user, "secret word", database
	}).FormatDSN()
}

// What a client needs is SELECT, INSERT, UPDATE and DELETE; a guard SELECT and UPDATE on one
// table.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	source := asUser(t, database, "SELECT, INSERT, UPDATE, DELETE ON DB.*")
	_, err := Open(source, Config{}).Connect(t.Context(), driver.Settings{TTL: testTTL})
	if !driver.IsPermanent(err) || !strings.Contains(err.Error(), "leasehold migrate") {
		t.Errorf("without tables, and without the right to make them: %v", err)
	}
	if err := storeIn(t, database).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, other := newClient(t, Open(source, Config{})), newClient(t, Open(source, Config{}))
	held := c.hold("a")
	waiter := other.queue("a")
	guardian := openDB(t, "mysql://", func(cfg *mysql.Config) {
		*cfg = *settingsOf(t, asUser(t, database, "SELECT, UPDATE ON DB.leasehold_guard"))
	})
	tx, err := guardian.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := guard(t.Context(), tx, held); err != nil {
		t.Errorf("guard: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	c.command.turn <- struct{}{}
	c.command.giveUp() // its successor ends it
	<-c.command.turn
	if got := c.release(held.Attempt); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
	if row := other.row("a"); !row.HeldBy(waiter.Place()) {
		t.Errorf("not handed over: %+v", row)
	}
	if gone, err := c.EndLease(t.Context(), c.lease.ID, driver.Grounds{Own: true}); !gone || err != nil {
		t.Errorf("EndLease: %v, %v", gone, err)
	}
}

func TestManualSchema(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	cfg := Config{Database: database, ManualSchema: true, Prefix: "mine_"}
	store := Open(serverURL(t), cfg)
	if _, err := store.Connect(t.Context(), driver.Settings{TTL: testTTL}); !driver.IsPermanent(err) {
		t.Errorf("without tables: %v", err)
	}
	text, err := MigrationSQL(cfg)
	if err != nil {
		t.Fatal(err)
	}
	db := openDB(t, serverURL(t), func(cfg *mysql.Config) { cfg.MultiStatements = true })
	for range 2 { // it may be repeated
		execSQL(t, db, text)
	}
	c := newClient(t, store)
	c.release(c.hold("a").Attempt)
	if n := value[int](t, db, "SELECT COUNT(*) FROM "+database+".mine_lock"); n != 1 {
		t.Errorf("%d rows in the table that was asked for", n)
	}
}

var spaces = regexp.MustCompile(`\s+`)

// schema.sql makes what the migrations make.
func TestSchemaFile(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	migrated, read := testDatabase(t), testDatabase(t)
	if err := storeIn(t, migrated).Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db := openDB(t, serverURL(t), func(cfg *mysql.Config) { cfg.MultiStatements, cfg.DBName = true, read })
	execSQL(t, db, string(text))
	for _, table := range []string{"lease", "lock", "guard", "flush", "meta"} {
		var name, a, b string
		for database, made := range map[string]*string{migrated: &a, read: &b} {
			if err := db.QueryRow("SHOW CREATE TABLE "+database+".leasehold_"+table).Scan(&name, made); err != nil {
				t.Fatal(err)
			}
		}
		if spaces.ReplaceAllString(a, " ") != spaces.ReplaceAllString(b, " ") {
			t.Errorf("migrations make\n%s\nand schema.sql\n%s", a, b)
		}
	}
}

func TestHazard41_Injection(t *testing.T) {
	t.Parallel()
	for _, cfg := range []Config{
		{Database: "a`b"}, {Database: "a.b"}, {Database: "a b"}, {Database: strings.Repeat("a", 65)},
		{Prefix: "a`"}, {Prefix: "A"}, {Prefix: "1a"}, {Prefix: "a;"}, {Prefix: strings.Repeat("a", 41)},
	} {
		if _, err := Open(serverURL(t), cfg).Connect(t.Context(), driver.Settings{TTL: testTTL}); !driver.IsPermanent(err) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}

func TestHazard42_ErrorsKeepSecrets(t *testing.T) {
	t.Parallel()
	const secret = "Sesame4711"
	for _, source := range []string{
		"mysql://user:" + secret + "@127.0.0.1:1/db", "mysql://user:" + secret + "@/%zz", "ftp://user:" + secret + "@host/db",
		"user:" + secret + "@nonsense", "mysql://user:" + secret + "@127.0.0.1:1/db?tls=" + secret,
		settingsOf(t, serverURL(t), func(cfg *mysql.Config) { cfg.Passwd = secret }).FormatDSN(),
	} {
		_, err := Open(source, Config{}).Connect(t.Context(), driver.Settings{TTL: testTTL})
		if err == nil {
			t.Fatal("connected without a password")
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("an error has the password: %v", err)
		}
	}
	store := testStore(t)
	c := newClient(t, store)
	execSQL(t, openDB(t, serverURL(t)), "DROP TABLE "+c.t.lock)
	_, err := c.Acquire(t.Context(), c.attempt("a secret name"), false)
	if !driver.IsPermanent(err) || strings.Contains(err.Error(), "SELECT") || strings.Contains(err.Error(), "secret") {
		t.Errorf("without the table: %v", err)
	}
}

func TestPoolThatIsTooSmall(t *testing.T) {
	t.Parallel()
	db := openDB(t, serverURL(t))
	db.SetMaxOpenConns(minPool - 1)
	if _, err := New(db, Config{}).Connect(t.Context(), driver.Settings{TTL: testTTL}); !driver.IsPermanent(err) {
		t.Errorf("a pool of %d connections: %v", minPool-1, err)
	}
}

// A row that somebody has damaged fails its own calls, and no other.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	c := newClient(t, store)
	db := openDB(t, serverURL(t))
	for _, change := range []string{
		"fence = 0", "fence = -1", "holder_lease = NULL", "granted_at = NULL", "queue = x'00'", "mark_by = x'00'",
		"queue = CONCAT(holder_lease, holder_ticket)", "queue = CONCAT(REPEAT('a', 32), REPEAT('a', 32))",
		"crowd = x'00'", `crowd = '{"limit":1}'`, `crowd = '{"terms":[{"mode":1}]}'`, `crowd = '{"limit":-1}'`,
		`holder_lease = NULL, holder_ticket = NULL, granted_at = NULL, queue = REPEAT('a', 32)`,
		`holder_lease = NULL, holder_ticket = NULL, granted_at = NULL, data = 'a'`,
		`crowd = '{"members":[{"lease":"00","ticket":"00","fence":1,"since":1}]}'`,
	} {
		held := c.hold(change)
		execSQL(t, db, "UPDATE "+c.t.lock+" SET "+change+" WHERE name = "+bytesSQL(change))
		a := c.attempt(change)
		_, err := c.Acquire(t.Context(), a, true)
		if !driver.IsPermanent(err) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: Acquire: %v", change, err)
		}
		if _, err := c.Read(t.Context(), driver.Query{Names: []string{change}}); !driver.IsPermanent(err) {
			t.Errorf("%s: Read: %v", change, err)
		}
		if err := c.Revoke(t.Context(), change, held.Fence, driver.Mark{}); !driver.IsPermanent(err) {
			t.Errorf("%s: Revoke: %v", change, err)
		}
		execSQL(t, db, "DELETE FROM "+c.t.lock+" WHERE name = "+bytesSQL(change))
		if errors.Is(err, driver.ErrNotHeld) {
			t.Errorf("%s: not found to be damaged", change)
		}
	}
	c.hold("sound")
}
