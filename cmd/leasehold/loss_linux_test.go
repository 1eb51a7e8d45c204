package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// ttl is the TTL of the tests that lose locks: short, and long enough for a
// machine that is busy with other tests and whose disk stalls now and then.
const ttl = 3 * time.Second

// stampFromAfar is a command whose grandchild, in a session of its own and deaf
// to SIGTERM, stamps a file.
func stampFromAfar(file string) []string {
	return []string{"sh", "-c", "setsid " + shell(actor("stamp", file)) + " & wait"}
}

// holdAndWait starts a holder that stamps old, and a successor that waits and
// stamps new.
func holdAndWait(t *testing.T, db string) (holder, successor *run, old, fresh string) {
	t.Helper()
	old, fresh = filepath.Join(t.TempDir(), "old"), filepath.Join(t.TempDir(), "new")
	base := []string{"run", "--ttl", ttl.String(), "name", "--"}
	holder = start(t, db, append(base, stampFromAfar(old)...)...)
	untilFile(t, old)
	successor = start(t, db, append(base, stampFromAfar(fresh)...)...)
	untilQueued(t, db, "name", 1)
	return holder, successor, old, fresh
}

// handOver waits for the successor's first stamp. It is an error if it is not
// later than all stamps of the old holder.
func handOver(t *testing.T, old, fresh string) (last, first int64) {
	t.Helper()
	until(t, "the successor runs", func() bool {
		info, err := os.Stat(fresh)
		return err == nil && info.Size() >= 8
	})
	time.Sleep(50 * time.Millisecond) // a survivor would stamp some more
	all := stamps(t, old)
	last, first = all[len(all)-1], stamps(t, fresh)[0]
	if first <= last {
		t.Errorf("two commands overlapped for %v", time.Duration(last-first))
	}
	return last, first
}

// promptly measures up to three times, until the result is within five times the
// figure: the machine may be busy, and speed is not safety. What measure itself
// asserts holds each time.
func promptly(t *testing.T, what string, figure time.Duration, measure func(t *testing.T) time.Duration) {
	t.Helper()
	var took time.Duration
	for range 3 {
		t.Run("measure", func(t *testing.T) { took = measure(t) })
		t.Logf("%s: %v", what, took.Round(time.Millisecond))
		if took <= 5*figure || t.Failed() {
			return
		}
	}
	t.Errorf("%s took %v, aimed at %v", what, took, figure)
}

// onKinds runs a test on fresh databases of each kind, with a figure each.
func onKinds(t *testing.T, sqlite, postgres time.Duration, test func(t *testing.T, open func(*testing.T) string, figure time.Duration)) {
	t.Run("sqlite", func(t *testing.T) { test(t, newSQLite, sqlite) })
	t.Run("postgres", func(t *testing.T) { test(t, newPostgres, postgres) })
}

// Hazard 47: what the command started dies with it, in whatever session.
func TestHazard47_FrontKilled(t *testing.T) {
	onKinds(t, 100*time.Millisecond, ttl+500*time.Millisecond, func(t *testing.T, open func(*testing.T) string, figure time.Duration) {
		promptly(t, "hand-over after the front was killed", figure, func(t *testing.T) time.Duration {
			holder, _, old, fresh := holdAndWait(t, open(t))
			killed := elapsed()
			holder.signal(syscall.SIGKILL)
			_, first := handOver(t, old, fresh)
			return time.Duration(first - killed)
		})
	})
}

func TestHazard47_KeeperKilled(t *testing.T) {
	onKinds(t, 100*time.Millisecond, ttl+500*time.Millisecond, func(t *testing.T, open func(*testing.T) string, figure time.Duration) {
		promptly(t, "hand-over after the keeper was killed", figure, func(t *testing.T) time.Duration {
			holder, _, old, fresh := holdAndWait(t, open(t))
			killed := elapsed()
			kill(t, holder.keeper(), syscall.SIGKILL)
			holder.wantError(statusLost, `"name"`)
			_, first := handOver(t, old, fresh)
			return time.Duration(first - killed)
		})
	})
}

// Both processes killed: the kernel kills the command itself. What that started
// lives on, and the lock with it, because it inherited the lease's file.
func TestHazard47_BothKilledOnSQLite(t *testing.T) {
	holder, _, old, fresh := holdAndWait(t, newSQLite(t))
	keeper := holder.keeper()
	command := childNamed(keeper, "sh")
	kill(t, holder.Process.Pid, syscall.SIGSTOP) // so that neither sees the other die
	kill(t, keeper, syscall.SIGKILL)
	holder.signal(syscall.SIGKILL)
	until(t, "the command is dead", func() bool { return !alive(command) })
	size := len(stamps(t, old))
	until(t, "the grandchild goes on", func() bool { return len(stamps(t, old)) > size+20 })
	if _, err := os.Stat(fresh); err == nil {
		t.Fatal("the successor runs beside a descendant of the old holder")
	}
	kill(t, stamper(t, old), syscall.SIGKILL)
	handOver(t, old, fresh)
}

// stamper returns the process that stamps file.
func stamper(t *testing.T, file string) int {
	t.Helper()
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range lines {
		line, _ := os.ReadFile(name)
		if strings.HasSuffix(string(line), "stamp\x00"+file+"\x00") && strings.HasPrefix(string(line), os.Args[0]) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			return pid
		}
	}
	t.Fatal("nobody stamps " + file)
	return 0
}

// A keeper that was stopped cannot end the command: the front does, by the trust
// deadline, which is less than a TTL after the keeper was stopped.
func TestHazard49_KeeperStopped(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		holder, _, old, fresh := holdAndWait(t, db)
		stopped := elapsed()
		kill(t, holder.keeper(), syscall.SIGSTOP)
		last, _ := handOver(t, old, fresh)
		if lived := time.Duration(last - stopped); lived >= ttl {
			t.Errorf("the command lived for %v after the last renewal, beyond its TTL", lived)
		}
		holder.wantError(statusLost, `"name"`)
	})
}

// A front that was stopped harms nobody: the lock is kept and the command runs.
func TestFrontStopped(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		file := filepath.Join(t.TempDir(), "go")
		ready := filepath.Join(t.TempDir(), "ready")
		holder := start(t, db, "run", "--ttl", ttl.String(), "name", "--",
			"sh", "-c", `echo x > "$0"; until [ -e "$1" ]; do sleep 0.01; done; exit 3`, ready, file)
		untilFile(t, ready)
		holder.signal(syscall.SIGSTOP)
		for begin := time.Now(); time.Since(begin) < ttl*3/2; {
			if !held(t, db, "name") {
				t.Fatal("the lock was lost while the front was stopped")
			}
		}
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		until(t, "the lock is released", func() bool { return !held(t, db, "name") })
		holder.signal(syscall.SIGCONT)
		holder.wantStatus(3)
	})
}

// Hazards 46 and 49: during an outage longer than the TTL the whole tree is dead by
// the trust deadline, and the next holder starts later than that.
func TestHazard46_Outage(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	holder, successor, old, fresh := holdAndWait(t, server.URL())
	down := elapsed()
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	holder.wantError(statusLost, `"name"`)
	all := stamps(t, old)
	if lived := time.Duration(all[len(all)-1] - down); lived >= ttl {
		t.Errorf("the command lived for %v after the last renewal, beyond its TTL", lived)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	handOver(t, old, fresh)
	successor.signal(syscall.SIGTERM)
}

// Hazard 49: SIGTERM comes while there is time to end in order.
func TestHazard49_TimeToEnd(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	dir := t.TempDir()
	ready, ended := filepath.Join(dir, "ready"), filepath.Join(dir, "ended")
	// The shell would say on stderr that its sleep was terminated too.
	script := `exec 2>/dev/null; trap 'echo "$LEASEHOLD_NAME" > "$1"; exit 0' TERM; echo x > "$0"; while :; do sleep 0.01; done`
	holder := start(t, server.URL(), "run", "--ttl", ttl.String(), "--stop-timeout", "1s", "name", "--", "sh", "-c", script, ready, ended)
	untilFile(t, ready)
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	holder.wantError(statusLost, `"name"`)
	if got := untilFile(t, ended); got != "name\n" {
		t.Errorf("the command's trap wrote %q", got)
	}
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
}

// A short outage costs nothing.
func TestShortOutage(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	ready, file := filepath.Join(t.TempDir(), "ready"), filepath.Join(t.TempDir(), "go")
	holder := start(t, server.URL(), "run", "--ttl", "20s", "name", "--",
		"sh", "-c", `echo x > "$0"; until [ -e "$1" ]; do sleep 0.01; done; exit 3`, ready, file)
	untilFile(t, ready)
	waiter := start(t, server.URL(), "run", "name", "--", "sh", "-c", "exit 4")
	untilQueued(t, server.URL(), "name", 1)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	holder.wantStatus(3)
	waiter.wantStatus(4)
}

func TestHazard46_Revoked(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		holder, _, old, fresh := holdAndWait(t, db)
		r := quick(t, db, "revoke", "name", "--reason", "a test of it")
		r.wantStatus(0)
		holder.wantError(statusLost, `"name"`, "a test of it")
		handOver(t, old, fresh)
	})
}

// What the command leaves in the background does not outlive the lock.
func TestHazard47_LeftBehind(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		old := filepath.Join(t.TempDir(), "old")
		script := "setsid " + shell(actor("stamp", old)) + ` & until [ -s "$0" ]; do sleep 0.01; done; exit 5`
		r := quick(t, db, "run", "--stop-timeout", "100ms", "name", "--", "sh", "-c", script, old)
		ended := elapsed()
		r.wantStatus(5)
		all := stamps(t, old)
		if last := all[len(all)-1]; last > ended {
			t.Errorf("a process stamped %v after leasehold had ended", time.Duration(last-ended))
		}
		quick(t, db, "run", "--try", "name", "--", "true").wantStatus(0)
	})
}

// After TTL and tolerance a fresh process takes over at once from a holder that
// died, keeper and all, before anybody watched it.
func TestTryAfterDeath(t *testing.T) {
	db := newPostgres(t)
	ready := filepath.Join(t.TempDir(), "ready")
	holder := start(t, db, "run", "--ttl", "1s", "name", "--", "sh", "-c", `echo x > "$0"; exec sleep 600`, ready)
	untilFile(t, ready)
	keeper := holder.keeper()
	kill(t, holder.Process.Pid, syscall.SIGSTOP)
	kill(t, keeper, syscall.SIGKILL)
	holder.signal(syscall.SIGKILL)
	until(t, "a try succeeds", func() bool { return !held(t, db, "name") })
}

// Twenty at once, five times each: nobody's increment is lost.
func TestCounter(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		file := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(file, []byte("0\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		for range 5 {
			var all []*run
			for range 20 {
				all = append(all, startProgram(t, fastTool, environment(db), "run", "counter", "--",
					"sh", "-c", `n=$(cat "$0"); sleep 0.02; echo $((n+1)) > "$0"`, file))
			}
			for _, r := range all {
				r.wantStatus(0)
			}
		}
		if got := strings.TrimSpace(untilFile(t, file)); got != "100" {
			t.Errorf("the counter is at %s, not 100", got)
		}
	})
}

func TestList(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		ready := filepath.Join(t.TempDir(), "ready")
		holder := start(t, db, "run", "--owner", "me", "job/held", "--", "sh", "-c", `echo x > "$0"; exec sleep 600`, ready)
		untilFile(t, ready)
		start(t, db, "run", "--owner", "you", "job/held", "--", "true")
		untilQueued(t, db, "job/held", 1)
		quick(t, db, "run", "job/free", "--", "true").wantStatus(0)
		quick(t, db, "run", "other", "--", "true").wantStatus(0)

		var entries []map[string]any
		if err := json.Unmarshal([]byte(quick(t, db, "ls", "--json", "job/").out.String()), &entries); err != nil {
			t.Fatal(err)
		}
		host, _ := os.Hostname()
		if len(entries) != 2 {
			t.Fatalf("ls lists %v", entries)
		}
		free, busy := entries[0], entries[1]
		keys := []string{"name", "state", "mode", "holder", "host", "pid", "age", "fence", "holders", "limit", "kept", "waiters"}
		for _, e := range entries {
			for _, key := range keys {
				if _, ok := e[key]; !ok || len(e) != len(keys) {
					t.Errorf("%v: want exactly the keys %v", e, keys)
				}
			}
		}
		if free["name"] != "job/free" || free["state"] != "free" || free["holder"] != nil || free["waiters"] != 0.0 {
			t.Errorf("free lock: %v", free)
		}
		if busy["state"] != "held" || busy["holder"] != "me" || busy["host"] != host || busy["waiters"] != 1.0 ||
			busy["pid"] != float64(holder.keeper()) || busy["age"].(float64) < 0 {
			t.Errorf("held lock: %v", busy)
		}
		table := quick(t, db, "ls").out.String()
		if lines := strings.Split(strings.TrimSpace(table), "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "NAME ") {
			t.Errorf("ls prints\n%s", table)
		}
		if out := quick(t, db, "ls", "--json", "none").out.String(); out != "[]\n" {
			t.Errorf("an empty list is %q", out)
		}
		var shown struct {
			Name  string
			Queue []map[string]any
		}
		if err := json.Unmarshal([]byte(quick(t, db, "inspect", "--json", "job/held").out.String()), &shown); err != nil {
			t.Fatal(err)
		}
		if len(shown.Queue) != 1 || shown.Queue[0]["owner"] != "you" || shown.Queue[0]["host"] != host {
			t.Errorf("inspect shows %+v", shown)
		}
	})
}

// A grant revoked with --now passes on while the holder still runs: that is what
// the option says.
func TestRevokeNow(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		holder, _, _, fresh := holdAndWait(t, db)
		quick(t, db, "revoke", "--now", "name").wantStatus(0)
		untilFile(t, fresh)
		holder.wantError(statusLost)
	})
}

func TestMigrate(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		printed := quick(t, db, "migrate", "--print")
		printed.wantStatus(0)
		if !strings.Contains(strings.ToUpper(printed.out.String()), "CREATE TABLE") {
			t.Errorf("migrate --print prints %q", printed.out.String())
		}
		for range 2 {
			quick(t, db, "migrate").wantStatus(0)
		}
		quick(t, db, "run", "--try", "name", "--", "true").wantStatus(0)
	})
}

func TestVersionAndCompletion(t *testing.T) {
	if out := quick(t, "", "version").out.String(); !strings.HasPrefix(out, "leasehold ") {
		t.Errorf("version prints %q", out)
	}
	for _, kind := range []string{"bash", "zsh", "fish", "powershell"} {
		if r := quick(t, "", "completion", kind); r.status() != 0 || !strings.Contains(r.out.String(), "leasehold") {
			t.Errorf("completion %s: status %d", kind, r.status())
		}
	}
	for typed, offered := range map[string][]string{
		"run --":            {"--shared", "--permits", "--min-hold", "--wait"},
		"run --permits ":    {":4"}, // no files
		"run --db-file ":    {":0"}, // files
		"revoke name --fen": {"--fence"},
		"revoke ":           {":4"},
		"migrate --grace ":  {"on", "off", ":4"},
	} {
		r := quick(t, "", append([]string{"__complete"}, strings.Split(typed, " ")...)...)
		for _, want := range offered {
			if !strings.Contains(r.out.String(), want) {
				t.Errorf("%q is completed by %q, which lacks %q", typed, r.out.String(), want)
			}
		}
	}
}
