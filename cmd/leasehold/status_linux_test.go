package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Hazard 48: exit status, signals and fence are passed through.
func TestHazard48_ExitStatus(t *testing.T) {
	db := newSQLite(t)
	text := filepath.Join(t.TempDir(), "text")
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(text, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(script, []byte("exit 9\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		want    int
	}{
		{[]string{"true"}, 0},
		{[]string{"sh", "-c", "exit 7"}, 7},
		{[]string{"sh", "-c", "exit 255"}, 255},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + 15},
		{[]string{"sh", "-c", "kill -KILL $$"}, 128 + 9},
		{[]string{text}, 126},
		{[]string{t.TempDir()}, 126},
		{[]string{"/nowhere/at/all"}, 127},
		{[]string{"no-such-command-anywhere"}, 127},
		{[]string{script}, 9}, // without "#!", as a shell would run it
	} {
		args := append([]string{"run", "name", "--"}, c.command...)
		if got := quick(t, db, args...).status(); got != c.want {
			t.Errorf("%q: exit status %d, want %d", c.command, got, c.want)
		}
	}
}

func TestMistakesOnTheCommandLine(t *testing.T) {
	db := newSQLite(t)
	long := strings.Repeat("n", 1025)
	for _, args := range [][]string{
		{"run"}, {"run", "name"}, {"run", "name", "--"}, {"run", "name", "true"}, {"run", "--", "true"},
		{"run", "a", "a", "--", "true"}, {"run", "a", "", "--", "true"}, {"run", "a", "b\nc", "--", "true"}, {"run", "a", "b", "--"},
		{"run", "--shared", "--permits", "2", "name", "--", "true"}, {"run", "--permits", "0", "name", "--", "true"},
		{"run", "--permits", "10001", "name", "--", "true"}, {"run", "--permits", "-1", "name", "--", "true"},
		{"run", "--min-hold", "0s", "name", "--", "true"}, {"run", "--min-hold", "1us", "name", "--", "true"},
		{"run", "--min-hold", "1s", "--shared", "name", "--", "true"}, {"run", "--min-hold", "1s", "--permits", "2", "name", "--", "true"},
		{"run", "", "--", "true"}, {"run", long, "--", "true"},
		{"run", "a\xff", "--", "true"}, {"run", "--bogus", "name", "--", "true"},
		{"run", "--ttl", "soon", "name", "--", "true"}, {"run", "--ttl", "1ms", "name", "--", "true"},
		{"run", "--try", "--wait", "1s", "name", "--", "true"}, {"run", "--wait", "-1s", "name", "--", "true"},
		{"run", "-E", "256", "name", "--", "true"}, {"run", "-E", "x", "name", "--", "true"},
		{"run", "--stop-timeout", "9s", "name", "--", "true"}, {"run", "--owner", "a\nb", "name", "--", "true"},
		{"run", "--connect-timeout", "0s", "name", "--", "true"},
		{"run", "--db", "sqlite:x", "--db-file", "x", "name", "--", "true"},
		{"bogus"}, {"ls", "a", "b"}, {"inspect"}, {"revoke"}, {"revoke", "nobody holds this"}, {"migrate", "x"}, {"version", "x"},
	} {
		quick(t, db, args...).wantError(statusUsage)
	}
}

// Hazard 42: no password in an error.
func TestHazard42_UnusableDatabase(t *testing.T) {
	for _, db := range []string{
		"oracle://user:secret@host/db", "mysql:secret", "mysql://user:se/secret@host/db", "mysql://user:secret%zz@host/db", "host=here password=secret", "postgres://user:se/secret@host/db",
		"postgres://user:secret@host:port/db", "postgres://user:secret%zz@host/db", "sqlite:", "sqlite://secret/path", "secret",
		"postgres://user:secret@host/db?sslmode=wrong", "postgres://user:secret@host/db?connect_timeout=secret",
	} {
		for _, args := range [][]string{{"run", "name", "--", "true"}, {"ls"}, {"inspect", "name"}, {"revoke", "name"}, {"migrate"}} {
			r := quick(t, db, args...)
			r.wantError(statusConfig, databaseVariable)
			if strings.Contains(r.errOut.String()+r.out.String(), "secret") {
				t.Errorf("%s: the password is in %q", db, r.errOut.String())
			}
		}
	}
	startWith(t, environment(""), "run", "name", "--", "true").wantError(statusConfig, "HOME")
}

func TestUnreachable(t *testing.T) {
	db := "postgres://user:secret@127.0.0.1:1/db"
	begin := time.Now()
	r := quick(t, db, "run", "--connect-timeout", "500ms", "name", "--", "true")
	r.wantError(statusUnavailable, "database unreachable")
	if took := time.Since(begin); took < 500*time.Millisecond {
		t.Errorf("gave up after %v, before the time to connect was over", took)
	}
	if strings.Contains(r.errOut.String(), "secret") {
		t.Errorf("the password is in %q", r.errOut.String())
	}
}

func TestDefaultDatabase(t *testing.T) {
	state, home := t.TempDir(), t.TempDir()
	startWith(t, environment("", "XDG_STATE_HOME="+state, "HOME="+home), "run", "name", "--", "true").wantStatus(0)
	startWith(t, environment("", "HOME="+home), "run", "name", "--", "true").wantStatus(0)
	for _, file := range []string{
		filepath.Join(state, "leasehold", "leasehold.db"),
		filepath.Join(home, ".local", "state", "leasehold", "leasehold.db"),
	} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
}

func TestHeld(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		ready := filepath.Join(t.TempDir(), "ready")
		holder := start(t, db, "run", "--owner", "the night shift", "name", "--", "sh", "-c", `echo x > "$0"; sleep 600`, ready)
		untilFile(t, ready)

		try := quick(t, db, "run", "--try", "name", "--", "true")
		try.wantError(statusHeld, `"name"`, `"the night shift"`, "pid ")
		quick(t, db, "run", "--try", "-E", "3", "name", "--", "true").wantError(3, `"the night shift"`)
		quick(t, db, "run", "--wait", "0s", "name", "--", "true").wantError(statusHeld)
		quick(t, db, "run", "--wait", "500ms", "-E", "0", "name", "--", "true").wantError(0, `"the night shift"`)
		if out := quick(t, db, "run", "--try", "other", "--", "echo", "mine").out.String(); out != "mine\n" {
			t.Errorf("another name: %q", out)
		}
		holder.signal(syscall.SIGTERM)
		holder.wantStatus(128 + 15)
		quick(t, db, "run", "--try", "name", "--", "true").wantStatus(0)
	})
}

// TestTryIsQuick: the figure aimed at is 200 ms; the test allows five times it.
func TestTryIsQuick(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		ready := filepath.Join(t.TempDir(), "ready")
		start(t, db, "run", "name", "--", "sh", "-c", `echo x > "$0"; sleep 600`, ready)
		untilFile(t, ready)
		begin := time.Now()
		quick(t, db, "run", "--try", "name", "--", "true").wantStatus(statusHeld)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("--try took %v", took)
		} else {
			t.Logf("--try took %v", took)
		}
	})
}

func TestWaitingIsExplainedOnce(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		dir := t.TempDir()
		holder := start(t, db, "run", "--owner", "first", "name", "--", "sh", "-c", `echo x > "$0"; sleep 600`, filepath.Join(dir, "ready"))
		untilFile(t, filepath.Join(dir, "ready"))
		second := start(t, db, "run", "name", "--", "true")
		untilQueued(t, db, "name", 1)
		third := start(t, db, "run", "name", "--", "true")
		for waiter, ahead := range map[*run]string{second: "0 ahead", third: "1 ahead"} {
			until(t, "the wait is explained", func() bool { return waiter.errOut.String() != "" })
			line := waiter.errOut.String()
			for _, part := range []string{`waiting for "name"`, `"first"`, "since ", ahead} {
				if !strings.Contains(line, part) {
					t.Errorf("%q lacks %q", line, part)
				}
			}
		}
		holder.signal(syscall.SIGKILL)
		second.wantError(0)
		third.wantError(0)
	})
}
