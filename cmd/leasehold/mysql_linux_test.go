package main

import (
	"database/sql"
	"encoding/json"
	"net/url"
	"os"
	"strings"
	"testing"

	driver "github.com/go-sql-driver/mysql"
)

// newMySQL returns the URL of a new, empty database on the test server.
func newMySQL(t *testing.T) string {
	server := os.Getenv("LEASEHOLD_TEST_MYSQL_URL")
	u, err := url.Parse(server)
	if server == "" || err != nil {
		t.Fatal("LEASEHOLD_TEST_MYSQL_URL names no server: run the tests with make test")
	}
	db := openMySQL(t, server)
	name := "leasehold_tool_" + strings.ToLower(strings.ReplaceAll(t.Name(), "/", "_"))
	for _, statement := range []string{"DROP DATABASE IF EXISTS " + name, "CREATE DATABASE " + name} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE " + name); err != nil {
			t.Error(err)
		}
	})
	u.Path = "/" + name
	return u.String()
}

// openMySQL returns a pool of connections to the server at a URL.
func openMySQL(t *testing.T, server string) *sql.DB {
	u := must(url.Parse(server))
	cfg := driver.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = u.User.Username(), "tcp", u.Host
	cfg.Passwd, _ = u.User.Password()
	db := sql.OpenDB(must(driver.NewConnector(cfg)))
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// Each subcommand works on MySQL and MariaDB, under both names of the scheme.
func TestMySQL(t *testing.T) {
	db := newMySQL(t)
	password, _ := must(url.Parse(db)).User.Password()
	ran := quick(t, db, "run", "--owner", "me", "a name", "--", "sh", "-c", `echo "$LEASEHOLD_FENCE $LEASEHOLD_DB"`)
	ran.wantStatus(0)
	if out := ran.out.String(); len(strings.Fields(out)) != 2 || strings.Contains(out, password) {
		t.Errorf("the command saw %q", out)
	}
	other := strings.Replace(db, "mysql:", "mariadb:", 1)
	sleeper(t, db, "--owner", "ann", "held")
	if s := inspected(t, other, "held"); s.State != "held" || len(s.Grants) != 1 || s.Grants[0].Owner != "ann" {
		t.Errorf("inspect: %+v", s)
	}
	if list := squeezed(t, other, "ls"); !strings.Contains(list, "held") {
		t.Errorf("ls: %s", list)
	}
	quick(t, db, "run", "--try", "held", "--", "true").wantStatus(statusHeld)
	quick(t, other, "revoke", "held", "--reason", "test").wantStatus(0)
	quick(t, db, "run", "--wait", "30s", "held", "--", "true").wantStatus(0)

	var findings []struct{ Check, Level string }
	seen := quick(t, db, "doctor", "--json")
	seen.wantStatus(0)
	if err := json.Unmarshal([]byte(seen.out.String()), &findings); err != nil || len(findings) < 8 {
		t.Errorf("doctor: %d findings, %v", len(findings), err)
	}
	quick(t, db, "doctor", "--torture", "1s").wantStatus(statusUsage)
	quick(t, db, "migrate", "--max-ttl", "10s", "--grace", "off").wantStatus(0)
	quick(t, db, "run", "--ttl", "11s", "held", "--", "true").wantStatus(statusConfig)
	if printed := squeezed(t, db, "migrate", "--print"); !strings.Contains(printed, "leasehold_guard") {
		t.Errorf("migrate --print: %s", printed)
	}
	quick(t, strings.Replace(db, password, "wr0ng", 1), "ls", "--connect-timeout", "1s").wantStatus(statusConfig)
	quick(t, "mysql:nonsense", "ls").wantStatus(statusConfig)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
