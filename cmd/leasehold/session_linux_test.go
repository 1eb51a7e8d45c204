package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/mysql"
	"github.com/leaseholdgo/leasehold/postgres"
)

// A run whose lock is held by a session keeps others out, and ends its command when the
// session ends.
func TestSession(t *testing.T) {
	t.Parallel()
	db := newPostgres(t)
	first := sleeper(t, db, "--session", "name")
	wantTry(t, db, statusHeld, "--session", "name")
	wantTry(t, db, statusHeld, "--session", "--shared", "name")
	wantTry(t, db, 0, "name") // in the tables
	wantTry(t, db, 0, "--session", "other")
	if s := sessionShown(t, db, "name"); s.State != "held" || len(s.Grants) != 1 || !strings.Contains(s.Grants[0].Owner, "server process") {
		t.Errorf("inspect: %+v", s)
	}
	raw := postgres.Key(postgres.SessionKey("", "name"))
	if list := squeezed(t, db, "ls", "--session"); !strings.Contains(list, raw+" held") {
		t.Errorf("ls: %s", list)
	}
	wantTry(t, db, statusHeld, "--session", raw)
	wantSound(t, db, 6)
	conn, err := pgx.Connect(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	const sql = `SELECT count(pg_terminate_backend(l.pid)) FROM pg_locks AS l
		WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND (l.classid::int8 << 32) | l.objid::int8 = $1
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`
	var ended int
	if err := conn.QueryRow(t.Context(), sql, postgres.SessionKey("", "name")).Scan(&ended); err != nil || ended != 1 {
		t.Fatalf("%d sessions were ended, %v", ended, err)
	}
	first.wantError(statusLost, "lost", "the session ended")
	wantTry(t, db, 0, "--session", "name")
}

// sessionShown is what inspect shows of a lock that a session holds.
func sessionShown(t *testing.T, db, name string) (s shown) {
	t.Helper()
	if err := json.Unmarshal([]byte(quick(t, db, "inspect", "--session", "--json", name).out.String()), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// wantSound wants so many findings about the locks of sessions, none of them a problem.
func wantSound(t *testing.T, db string, checks int) {
	t.Helper()
	seen := quick(t, db, "doctor", "--session", "--json")
	seen.wantStatus(0)
	var findings []struct{ Check, Level, Finding string }
	if err := json.Unmarshal([]byte(seen.out.String()), &findings); err != nil || len(findings) != checks {
		t.Errorf("doctor: %+v, %v", findings, err)
	}
	for _, f := range findings {
		if f.Level == "problem" || f.Finding == "" {
			t.Errorf("doctor: %+v", f)
		}
	}
}

// The same by a named lock of MySQL or MariaDB.
func TestSessionOfMySQL(t *testing.T) {
	db := newMySQL(t)
	first := sleeper(t, db, "--session", "name")
	wantTry(t, db, statusHeld, "--session", "name")
	wantTry(t, db, statusUsage, "--session", "--shared", "name")
	wantTry(t, db, 0, "name") // in the tables
	wantTry(t, db, 0, "--session", "other")
	if s := sessionShown(t, db, "name"); s.State != "held" || len(s.Grants) != 1 || !strings.Contains(s.Grants[0].Owner, "connection") {
		t.Errorf("inspect: %+v", s)
	}
	quick(t, db, "ls", "--session").wantError(statusConfig, "does not tell which named locks there are") // without the plugin
	wantSound(t, db, 7)
	admin := openMySQL(t, db)
	var id int
	if err := admin.QueryRow("SELECT IS_USED_LOCK(?)", mysql.SessionLockName("", "name")).Scan(&id); err != nil {
		t.Fatal(err)
	}
	if _, err := admin.Exec(fmt.Sprint("KILL ", id)); err != nil {
		t.Fatal(err)
	}
	first.wantError(statusLost, "lost", "the session ended")
	wantTry(t, db, 0, "--session", "name")
}

func TestSessionMisused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--session"}, {"--session", "--permits", "2"}, {"--session", "--min-hold", "1s"}} {
		wantTry(t, newSQLite(t), statusUsage, append(args, "name")...)
	}
	quick(t, newSQLite(t), "ls", "--session").wantStatus(statusUsage)
}
