package main

import (
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Hazard 48: the fence is passed through, and it rises.
func TestHazard48_Environment(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		var last uint64
		for range 3 {
			r := quick(t, db, "run", "--owner", "me", "a name", "--", "sh", "-c", `echo "$LEASEHOLD_NAME|$LEASEHOLD_OWNER|$LEASEHOLD_FENCE"`)
			r.wantStatus(0)
			fields := strings.Split(strings.TrimSpace(r.out.String()), "|")
			if len(fields) != 3 || fields[0] != "a name" || fields[1] != "me" {
				t.Fatalf("the command saw %q", fields)
			}
			fence, err := strconv.ParseUint(fields[2], 10, 64)
			if err != nil || fence <= last {
				t.Errorf("fence %s after %d: %v", fields[2], last, err)
			}
			last = fence
		}
	})
}

// Hazard 42: the command does not get the database's password, and neither do
// those who list processes; a nested run does not fall back to another database.
func TestHazard42_NoPasswordForTheCommand(t *testing.T) {
	db, err := url.Parse(newPostgres(t))
	if err != nil {
		t.Fatal(err)
	}
	if db.User == nil {
		db.User = url.User("postgres")
	}
	db.User = url.UserPassword(db.User.Username(), passwordOf(db))
	password, _ := db.User.Password()
	script := `env; tr '\0' ' ' < /proc/$PPID/cmdline; "$0" ls --connect-timeout 1s 2>&1; exit 0`
	env := environment(db.String(), "PGPASSWORD="+password, "PGSSLPASSWORD="+password, "HOME="+t.TempDir())
	r := startWith(t, env, "run", "name", "--", "sh", "-c", script, tool)
	r.wantStatus(0)
	if out := r.out.String() + r.errOut.String(); strings.Contains(out, password) {
		t.Errorf("the password %q is in the output:\n%s", password, out)
	}
	db.User = url.User(db.User.Username())
	if want := databaseVariable + "=" + db.String() + "\n"; !strings.Contains(r.out.String(), want) {
		t.Errorf("the command's environment lacks %q:\n%s", want, r.out.String())
	}
	if !strings.Contains(r.out.String(), keeperName+" ") {
		t.Errorf("the parent of the command is not the keeper:\n%s", r.out.String())
	}
}

// passwordOf returns the server's password, or one that a server that asks for
// none does not mind.
func passwordOf(u *url.URL) string {
	if p, ok := u.User.Password(); ok {
		return p
	}
	return "b1rds-0f-a-feather"
}

func TestWithoutPassword(t *testing.T) {
	for in, want := range map[string]string{
		"":                                   "",
		"sqlite:a/b":                         "sqlite:a/b",
		"postgres://host/db":                 "postgres://host/db",
		"postgres://user@host/db?x=%20y":     "postgres://user@host/db?x=%20y",
		"postgres://user:pw@host/db":         "postgres://user@host/db",
		"postgres://:pw@host/db":             "postgres://@host/db",
		"postgresql://u:p%40w@h:5/db?a=b":    "postgresql://u@h:5/db?a=b",
		"postgres://host/db?password=pw&a=b": "postgres://host/db?a=b",
		"postgres://host/db?sslpassword=pw":  "postgres://host/db",
		"postgres://u:p@h1:1,h2:2/db":        "postgres://u@h1:1,h2:2/db",
		"postgres:opaque:pw":                 unusableDatabase,
		"postgres://u:p/w@h/db":              unusableDatabase,
		"postgres://h/db?password=a;b":       unusableDatabase,
		"host=h password=pw":                 unusableDatabase,
		"mysql://u:pw@h:3306/db?tls=true":    "mysql://u@h:3306/db?tls=true",
		"mariadb://u:p%40w@h/db":             "mariadb://u@h/db",
		"mysql:u:pw@h/db":                    unusableDatabase,
		"ftp://u:pw@h/db":                    unusableDatabase,
	} {
		if got := withoutPassword(in); got != want {
			t.Errorf("withoutPassword(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzWithoutPassword(f *testing.F) {
	f.Add("postgres://user:pw@host/db", "pw")
	f.Add("postgres://host/db?password=s3cr3t", "s3cr3t")
	f.Fuzz(func(t *testing.T, raw, _ string) {
		out := withoutPassword(raw)
		if again := withoutPassword(out); out != unusableDatabase && again != out {
			t.Errorf("%q became %q, and that %q", raw, out, again)
		}
		if u, err := url.Parse(out); err == nil && u.Scheme != "sqlite" {
			if _, ok := u.User.Password(); ok || u.Query().Has("password") {
				t.Errorf("%q still has a password", out)
			}
		}
	})
}
