package sqlite

import (
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// findings are those of one Diagnose, by check.
type findings map[string]driver.Finding

func examine(t *testing.T, store *Store) findings {
	t.Helper()
	list, err := store.Diagnose(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := findings{}
	for _, f := range list {
		t.Logf("%s: %s: %s -> %s", f.Check, f.Level, f.Finding, f.Advice)
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
	found := f[check]
	if found.Level != level {
		t.Errorf("%s: %q (%s), want level %s", check, found.Finding, found.Level, level)
	}
	for _, word := range words {
		if !strings.Contains(found.Finding+"\n"+found.Advice, word) {
			t.Errorf("%s: %q is missing from %q, %q", check, word, found.Finding, found.Advice)
		}
	}
}

func (f findings) wantAllOK(t *testing.T) {
	t.Helper()
	for check := range f {
		f.want(t, check, driver.LevelOK)
	}
}

func TestDiagnoseAGoodFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks", "leasehold.db")
	before := examine(t, Open(path))
	before.wantAllOK(t)
	before.want(t, "file", driver.LevelOK, "does not exist")
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("to look made the directory: %v", err)
	}

	c := newClient(t, Open(path))
	c.hold("a")
	after := examine(t, Open(path))
	after.wantAllOK(t)
	for check, word := range map[string]string{
		"file": path, "directory": filepath.Dir(path), "filesystem": "not known to be shared", "lease files": ".leases",
		"journal mode": "wal", "synchronous": "full", "schema": "protocol 1; no TTL above 1m0s", "integrity": "quick_check",
		"leases": "1 of clients that live; 0 of dead", "size": "MB", "commit latency": "a durable commit",
	} {
		after.want(t, check, driver.LevelOK, word)
	}
	if _, err := c.RenewLease(t.Context(), c.lease); err != nil {
		t.Errorf("the lease was disturbed: %v", err)
	}
	if err := os.Remove(c.leases.file(c.lease)); err != nil {
		t.Fatal(err)
	}
	examine(t, Open(path)).want(t, "leases", driver.LevelOK, "0 of clients that live; 1 of dead")
}

// TestDiagnoseTimesRealCommits: another connection sees that there were some, and that
// nothing is changed.
func TestDiagnoseTimesRealCommits(t *testing.T) {
	c := newClient(t, tempStore(t))
	db := openUser(t, c.path)
	db.SetMaxOpenConns(1)
	look := func() (changes, version int) {
		t.Helper()
		if err := errors.Join(
			db.QueryRow(`PRAGMA data_version`).Scan(&changes),
			db.QueryRow(`SELECT version FROM leasehold_meta`).Scan(&version),
		); err != nil {
			t.Fatal(err)
		}
		return changes, version
	}
	changes, version := look()
	examine(t, Open(c.path)).want(t, "commit latency", driver.LevelOK, "a durable commit")
	if now, after := look(); now == changes || after != version {
		t.Errorf("the file's content is number %d after %d, the schema's version %d after %d", now, changes, after, version)
	}
}

func TestDiagnoseTables(t *testing.T) {
	c := newClient(t, tempStore(t))
	db := openUser(t, c.path)
	for sql, word := range map[string]string{
		`UPDATE leasehold_meta SET protocol = 9`: "protocol 9",
		`DELETE FROM leasehold_meta`:             "no row",
	} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
		examine(t, Open(c.path)).want(t, "schema", driver.LevelProblem, word)
		if _, err := db.Exec(`DELETE FROM leasehold_meta; INSERT INTO leasehold_meta VALUES (1, ?, ?, 60000, 1, 0)`, latest(), protocol); err != nil {
			t.Fatal(err)
		}
	}
	c.hold("a")
	examine(t, Open(c.path)).wantAllOK(t)
	if _, err := db.Exec(`PRAGMA ignore_check_constraints = ON; UPDATE leasehold_lock SET fence = -1`); err != nil {
		t.Fatal(err)
	}
	examine(t, Open(c.path)).want(t, "integrity", driver.LevelProblem, "leasehold_lock is damaged", "restore")
}

func TestDiagnoseWhatIsNoDatabase(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	examine(t, Open(text)).want(t, "schema", driver.LevelProblem, "not an SQLite database")
	examine(t, Open(dir)).want(t, "file", driver.LevelProblem, "not a regular file")
	examine(t, Open(filepath.Join(text, "below"))).want(t, "directory", driver.LevelProblem, "not a directory")

	memory, err := sql.Open("sqlite", ":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	for _, store := range []*Store{Open(""), Open(":memory:"), New(memory)} {
		if findings, err := store.Diagnose(t.Context()); !driver.IsPermanent(err) {
			t.Errorf("nothing to look at: %v, %v", findings, err)
		}
	}
}

// TestHazard44_DiagnoseConnectionsGiven: those that guard with synchronous=NORMAL.
func TestHazard44_DiagnoseConnectionsGiven(t *testing.T) {
	db := openUser(t, filepath.Join(t.TempDir(), "app.db"))
	if _, err := db.Exec(`PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL`); err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	examine(t, New(db)).want(t, "synchronous", driver.LevelWarning, "synchronous=normal", "FULL")
	if _, err := db.Exec(`PRAGMA synchronous=FULL`); err != nil {
		t.Fatal(err)
	}
	examine(t, New(db)).wantAllOK(t)
}

func TestDiagnosisOfSizesAndKinds(t *testing.T) {
	findings{"size": sizeFinding(1<<20, 100<<20)}.want(t, "size", driver.LevelWarning, "100 MB", "not written back")
	findings{"filesystem": kindFinding("nfs")}.want(t, "filesystem", driver.LevelProblem, "nfs", "local directory")
}
