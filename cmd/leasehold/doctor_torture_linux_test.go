package main

import (
	"errors"
	"net/url"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/faults/torture"
)

// schemas returns how many schemas of a run there are.
func schemas(t *testing.T, db string) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), `SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'leasehold%'`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// The tests that load the machine are not parallel: others measure times meanwhile.

func TestTorture(t *testing.T) {
	db := newPostgres(t)
	r := quick(t, db, "doctor", "--torture", "2s")
	r.wantStatus(0)
	out := strings.Join(strings.Fields(r.out.String()), " ")
	for _, words := range []string{"CHECK LEVEL FINDING", "postgres: seed", "violations 0"} {
		if !strings.Contains(out, words) {
			t.Errorf("%q is missing from\n%s", words, r.out.String())
		}
	}
	if n := schemas(t, db); n != 0 {
		t.Errorf("%d schemas are left", n)
	}
	file := filepath.Join(t.TempDir(), "no", "such", "directory", "locks.db")
	f := doctor(t, "sqlite:"+file, "--torture", "1s")[tortureCheck]
	if f.Level != driver.LevelOK || !strings.Contains(f.Finding, "no violation") {
		t.Errorf("on SQLite: %+v", f)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "*")); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestTortureInterrupted(t *testing.T) {
	db := newPostgres(t)
	r := start(t, db, "doctor", "--torture", "10m")
	until(t, "the clients work", func() bool { return schemas(t, db) == 1 })
	r.signal(syscall.SIGINT)
	r.wantStatus(statusSignal + int(syscall.SIGINT))
	if n := schemas(t, db); n != 0 {
		t.Errorf("%d schemas are left", n)
	}
}

func TestTortureThatCannotBe(t *testing.T) {
	for _, duration := range []string{"0s", "-1s", "long"} {
		quick(t, newSQLite(t), "doctor", "--torture", duration).wantError(statusUsage, "--torture")
	}
	// A role that may use the locks, and make nothing.
	db := newPostgres(t)
	quick(t, db, "migrate").wantStatus(0)
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	role := strings.TrimPrefix(u.Path, "/") + "_role"
	administer(t, db, `CREATE ROLE `+role+` LOGIN PASSWORD 's3cret'; GRANT USAGE ON SCHEMA leasehold TO `+role+`;
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA leasehold TO `+role)
	t.Cleanup(func() { administer(t, db, `DROP OWNED BY `+role+`; DROP ROLE `+role) })
	u.User = url.UserPassword(role, "s3cret")
	r := quick(t, u.String(), "doctor", "--torture", "1s")
	r.wantStatus(statusProblem)
	r.wantNo("s3cret")
	if !strings.Contains(r.out.String(), "torture: did not come to its end") || !strings.Contains(r.out.String(), "permission denied") {
		t.Errorf("not said why:\n%s", r.out.String())
	}
	// Where there is a problem already, there is no torture.
	administer(t, db, `REVOKE UPDATE ON leasehold.lock FROM `+role)
	findings := doctor(t, u.String(), "--torture", "1s")
	if f, ok := findings[tortureCheck]; ok || findings["privileges"].Level != driver.LevelProblem {
		t.Errorf("in spite of %+v: %+v", findings["privileges"], f)
	}
}

func TestEndurance(t *testing.T) {
	t.Parallel()
	bad := endurance{report: torture.Report{Violations: []string{"two holders of a"}, Seed: 7, Directory: "dir"}}
	if f := bad.finding(); f.Level != driver.LevelProblem || !strings.Contains(f.Finding, "two holders of a (seed 7, history in dir)") || f.Advice == "" {
		t.Errorf("a violation: %+v", f)
	}
	cut := endurance{err: errors.New("the server is gone")}
	if f := cut.finding(); f.Level != driver.LevelProblem || !strings.Contains(f.Finding, "did not come to its end: the server is gone") {
		t.Errorf("cut short: %+v", f)
	}
}
