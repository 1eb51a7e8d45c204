package main

import (
	"context"
	"fmt"
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

// The same by a named lock of MySQL or MariaDB.
func TestSessionOfMySQL(t *testing.T) {
	db := newMySQL(t)
	first := sleeper(t, db, "--session", "name")
	wantTry(t, db, statusHeld, "--session", "name")
	wantTry(t, db, statusUsage, "--session", "--shared", "name")
	wantTry(t, db, 0, "name") // in the tables
	wantTry(t, db, 0, "--session", "other")
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
}
