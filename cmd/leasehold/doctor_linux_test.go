package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
)

// doctor runs "leasehold doctor --json" and returns the findings by check. The exit
// status must be that of the worst.
func doctor(t *testing.T, db string, args ...string) map[string]driver.Finding {
	t.Helper()
	r := quick(t, db, append([]string{"doctor", "--json"}, args...)...)
	var list []driver.Finding
	if err := json.Unmarshal([]byte(r.out.String()), &list); err != nil || len(list) == 0 {
		t.Fatalf("%v in %q", err, r.out.String())
	}
	findings, want := map[string]driver.Finding{}, 0
	for _, f := range list {
		if f.Level == driver.LevelProblem {
			want = statusProblem
		}
		findings[f.Check] = f
	}
	r.wantStatus(want)
	if r.errOut.String() != "" {
		t.Errorf("stderr: %q", r.errOut.String())
	}
	return findings
}

func TestDoctorOnAGoodDatabase(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		quick(t, db, "run", "name", "--", "true").wantStatus(0)
		for check, f := range doctor(t, db) {
			if f.Level == driver.LevelProblem {
				t.Errorf("%s: %+v", check, f)
			}
		}
		r := quick(t, db, "doctor")
		r.wantStatus(0)
		lines := strings.Split(r.out.String(), "\n")
		if fields := strings.Fields(lines[0]); strings.Join(fields, " ") != "CHECK LEVEL FINDING" {
			t.Errorf("the table begins with %q", lines[0])
		}
		if !strings.Contains(r.out.String(), "protocol 1") {
			t.Errorf("the table lacks the schema:\n%s", r.out.String())
		}
		quick(t, db, "run", "--try", "name", "--", "true").wantStatus(0)
	})
}

// Hazards 35 and 42: what must be changed, and how, is in the table and in the exit
// status, and no password is, whatever the end.
func TestHazard35_DoctorBehindAPooler(t *testing.T) {
	t.Parallel()
	db := withPassword(t, newPostgres(t))
	shared := pgbouncer.ForTest(t, pgbouncer.Config{Server: db.String(), Mode: pgbouncer.Transaction})
	quick(t, shared.URL(), "run", "name", "--", "true").wantStatus(0)
	r := quick(t, shared.URL(), "doctor")
	r.wantStatus(0)
	for _, words := range []string{"warning", "a pooler in transaction mode", "handed over by polling", "connect to the server itself", "session mode"} {
		if !strings.Contains(r.out.String(), words) {
			t.Errorf("%q is missing from\n%s", words, r.out.String())
		}
	}
	r.wantNo(passwordOf(db))
	kept := pgbouncer.ForTest(t, pgbouncer.Config{Server: db.String(), Mode: pgbouncer.Session})
	if f := doctor(t, kept.URL())["pooler"]; f.Level != driver.LevelOK {
		t.Errorf("in session mode: %+v", f)
	}
}

// Hazard 42: neither a good nor a bad end shows the password.
func TestHazard42_DoctorShowsNoPassword(t *testing.T) {
	t.Parallel()
	db := withPassword(t, newPostgres(t))
	good := quick(t, db.String(), "doctor", "--json")
	good.wantStatus(0)
	good.wantNo(passwordOf(db))
	db.User = url.UserPassword(db.User.Username(), "wr0ng-password")
	wrong := quick(t, db.String(), "doctor")
	wrong.wantNo("wr0ng-password")
	db.Path = "/no_such_database"
	quick(t, db.String(), "doctor").wantNo("wr0ng-password")
}

// withPassword returns a URL that has one, whether the server asks for it or not.
func withPassword(t *testing.T, db string) *url.URL {
	t.Helper()
	u, err := url.Parse(db)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(u.User.Username(), passwordOf(u))
	return u
}

func (r *run) wantNo(password string) {
	r.t.Helper()
	if out := r.out.String() + r.errOut.String(); strings.Contains(out, password) {
		r.t.Errorf("the password is in the output:\n%s", out)
	}
}

func TestDoctorFailures(t *testing.T) {
	t.Parallel()
	quick(t, newSQLite(t), "doctor", "argument").wantError(statusUsage)
	quick(t, "oracle://user:secret@host/db", "doctor").wantError(statusConfig, databaseVariable)
	quick(t, "postgres://user:secret@127.0.0.1:1/db", "doctor", "--connect-timeout", "300ms").
		wantError(statusUnavailable, "database unreachable")
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	if f := doctor(t, "sqlite:"+text)["schema"]; f.Level != driver.LevelProblem {
		t.Errorf("what is no database: %+v", f)
	}
}
