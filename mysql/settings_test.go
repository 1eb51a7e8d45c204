package mysql

import (
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/mariadb"
)

// hostile are defaults that no program may rely on.
var hostile = map[string]string{
	"transaction-isolation":           "SERIALIZABLE",
	"autocommit":                      "0",
	"completion-type":                 "CHAIN",
	"sql-mode":                        "ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PAD_CHAR_TO_FULL_LENGTH,PIPES_AS_CONCAT,SIMULTANEOUS_ASSIGNMENT,NO_UNSIGNED_SUBTRACTION",
	"default-time-zone":               "+13:00",
	"innodb-rollback-on-timeout":      "ON",
	"innodb-lock-wait-timeout":        "50",
	"innodb-default-row-format":       "compact",
	"default-storage-engine":          "MyISAM",
	"character-set-server":            "utf8mb4",
	"collation-server":                "utf8mb4_general_ci",
	"lower-case-table-names":          "1",
	"query-cache-type":                "1",
	"query-cache-size":                "1M",
	"log-bin":                         "binlog",
	"binlog-format":                   "MIXED",
	"server-id":                       "7",
	"max-statement-time":              "1",
	"wait-timeout":                    "3",
	"init-connect":                    "SET autocommit = 0, sql_safe_updates = 1, sql_select_limit = 1",
	"explicit-defaults-for-timestamp": "OFF",
	"innodb-strict-mode":              "OFF",
}

// live makes each kind of call once and checks what it did.
func live(t *testing.T, store *Store) {
	t.Helper()
	c, other := newClient(t, store), newClient(t, store)
	held := c.hold("a")
	first, second := other.queue("a"), other.queue("a")
	if _, err := c.RenewLease(t.Context(), c.lease.ID); err != nil {
		t.Fatal(err)
	}
	if got := other.release(second); got != driver.Cancelled {
		t.Errorf("outcome %d, want Cancelled", got)
	}
	if got := c.release(held.Attempt); got != driver.Released {
		t.Errorf("outcome %d, want Released", got)
	}
	row := c.row("a")
	if !row.HeldBy(first.Place()) || row.Age < 0 || row.Age > time.Minute {
		t.Fatalf("not handed over: %+v", row)
	}
	if err := c.Revoke(t.Context(), "a", row.Fence, driver.Mark{By: "op"}); err != nil {
		t.Fatal(err)
	}
	if gone, err := c.EndLease(t.Context(), other.lease.ID, driver.Grounds{Overdue: time.Millisecond}); gone || err != nil {
		t.Errorf("a live lease is overdue: %v, %v", gone, err)
	}
	if gone, err := c.EndLease(t.Context(), other.lease.ID, driver.Grounds{Own: true}); !gone || err != nil {
		t.Errorf("EndLease: %v, %v", gone, err)
	}
	if err := c.TakeOver(t.Context(), "a", []driver.ID{other.lease.ID}, 0); err != nil {
		t.Fatal(err)
	}
	again := c.hold("a")
	if again.Fence <= row.Fence {
		t.Errorf("fence %d after %d", again.Fence, row.Fence)
	}
	for _, name := range []string{"A", "a ", "caf\u00e9", `\'"`} {
		c.hold(name)
	}
	view, err := c.Read(t.Context(), driver.Query{Limit: 100})
	if err != nil || len(view.Locks) != 5 {
		t.Errorf("%d rows, %v; want 5", len(view.Locks), err)
	}
}

func TestHostileDefaults(t *testing.T) {
	t.Parallel()
	server := mariadb.ForTest(t, mariadb.Config{Settings: hostile})
	execSQL(t, openDB(t, server.URL()), "SET GLOBAL tx_read_only = ON") // the server itself cannot start with that
	t.Run("Open", func(t *testing.T) { live(t, Open(server.URL(), Config{Prefix: "open_"})) })
	t.Run("New", func(t *testing.T) { live(t, New(openDB(t, server.URL()), Config{Prefix: "new_"})) })
	store := Open(server.URL(), Config{Prefix: "guarded_"})
	held := newClient(t, store).hold("a")
	db := openDB(t, server.URL())
	if err := guard(t.Context(), begin(t, db, sql.LevelDefault), held); err != nil {
		t.Errorf("guard: %v", err)
	}
}

// The server's time zone, and ours, shift no instant.
func TestHazard28_TimeZonesShiftNothing(t *testing.T) {
	t.Parallel()
	database := testDatabase(t)
	here := newClient(t, storeIn(t, database))
	zone := func(cfg *mysql.Config) {
		cfg.DBName = database
		cfg.Params = map[string]string{"time_zone": "'-11:30'"}
		cfg.Loc = tokyo(t)
		cfg.ParseTime = true
	}
	for _, store := range []*Store{
		Open(settingsOf(t, serverURL(t), zone).FormatDSN(), Config{}),
		New(openDB(t, serverURL(t), zone), Config{}),
	} {
		there := newClient(t, store)
		held := there.hold("a")
		row := here.row("a")
		if away := time.Since(row.Since).Abs(); away > time.Minute || row.Age > time.Minute {
			t.Errorf("granted %v ago, by its age %v", away, row.Age)
		}
		if gone, err := here.EndLease(t.Context(), there.lease.ID, driver.Grounds{Overdue: time.Minute}); gone || err != nil {
			t.Errorf("a lease made a moment ago is overdue: %v, %v", gone, err)
		}
		there.release(held.Attempt)
	}
}

// A call that had to wait for the row counts from when it has it: a minimum hold is no
// shorter for the wait, and the fence is drawn late.
func TestHazard27_ClockIsReadUnderTheRowLock(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	c := newClient(t, store)
	db := openDB(t, serverURL(t))
	c.release(c.hold("a").Attempt)
	tx := begin(t, db, sql.LevelReadCommitted)
	if _, err := tx.Exec("SELECT 1 FROM " + c.t.lock + " WHERE name = 'a' FOR UPDATE"); err != nil {
		t.Fatal(err)
	}
	a := c.attempt("a")
	a.Terms.MinHold = time.Minute
	granted := make(chan driver.Lock, 1)
	go func() {
		reply, err := c.Acquire(t.Context(), a, true)
		for errors.Is(err, errLocked) {
			reply, err = c.Acquire(t.Context(), a, true)
		}
		if err != nil {
			t.Error(err)
		}
		granted <- reply.Lock
	}()
	await(t, "the call is in progress", func() bool { return len(c.command.turn) > 0 })
	time.Sleep(100 * time.Millisecond) // the wait that must not count
	var unlocked int64
	if err := tx.QueryRow("SELECT " + clockSQL).Scan(&unlocked); err != nil {
		t.Fatal(err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	row := <-granted
	if row.Since.UnixMicro() < unlocked || row.Fence < uint64(unlocked) || row.KeptUntil.Sub(row.Since) != time.Minute {
		t.Errorf("granted at %d under %d, kept for %v; the row was free from %d", row.Since.UnixMicro(), row.Fence, row.KeptUntil.Sub(row.Since), unlocked)
	}
}

func TestHazard45_ReadOnlyServer(t *testing.T) {
	t.Parallel()
	server := mariadb.ForTest(t, mariadb.Config{})
	store := Open(server.URL(), Config{})
	newClient(t, store).hold("a")
	execSQL(t, openDB(t, server.URL()), "SET GLOBAL read_only = 1")
	_, err := store.Connect(t.Context(), driver.Settings{TTL: testTTL})
	if !errors.Is(err, errReadOnly) || driver.IsPermanent(err) {
		t.Errorf("Connect to a server that is read-only: %v", err)
	}
	findings, err := store.Diagnose(t.Context())
	if err != nil || len(findings) != 1 || findings[0].Level != driver.LevelProblem {
		t.Errorf("Diagnose: %+v, %v", findings, err)
	}
}

// Acknowledged grants and releases survive a crash of the server, and clients go on.
func TestHazard44_CommitsSurviveACrash(t *testing.T) {
	t.Parallel()
	server := mariadb.ForTest(t, mariadb.Config{})
	c := newClient(t, Open(server.URL(), Config{}))
	for range 3 {
		held, freed := c.hold("held"), c.hold("freed")
		c.release(freed.Attempt)
		if err := server.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := server.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if row := c.look("held"); !row.HeldBy(held.Place()) || row.Fence != held.Fence {
			t.Errorf("the grant was lost: %+v", row)
		}
		if row := c.look("freed"); row.Held() {
			t.Errorf("the release was lost: %+v", row)
		}
		if got := c.release(held.Attempt); got != driver.Released {
			t.Errorf("outcome %d", got)
		}
	}
}

func TestDiagnose(t *testing.T) {
	t.Parallel()
	store := testStore(t)
	newClient(t, store)
	findings, err := store.Diagnose(t.Context())
	if err != nil || len(findings) < 8 {
		t.Fatalf("%d findings, %v", len(findings), err)
	}
	for _, f := range findings {
		if f.Level != driver.LevelOK {
			t.Errorf("of a good server: %+v", f)
		}
	}
	server := mariadb.ForTest(t, mariadb.Config{Settings: map[string]string{
		"innodb-flush-log-at-trx-commit": "2", "log-bin": "binlog", "binlog-format": "STATEMENT", "server-id": "2",
	}})
	findings, err = Open(server.URL(), Config{}).Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	levels := map[string]driver.Level{}
	for _, f := range findings {
		levels[f.Check] = f.Level
	}
	if levels["durability"] != driver.LevelWarning || levels["binary log"] != driver.LevelProblem {
		t.Errorf("of a bad server: %+v", findings)
	}
	_, err = Open(server.URL(), Config{}).Connect(t.Context(), driver.Settings{TTL: testTTL})
	if !driver.IsPermanent(err) || !strings.Contains(err.Error(), "binlog_format") {
		t.Errorf("Connect where the binary log is of statements: %v", err)
	}
}

func tokyo(t *testing.T) *time.Location {
	zone, err := time.LoadLocation("Asia/Tokyo")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}
