package main

import (
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// sleeper starts a run whose command sleeps, and waits until it does.
func sleeper(t *testing.T, db string, args ...string) *run {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	args = append(append([]string{"run", "--ttl", ttl.String()}, args...), "--", "sh", "-c", `echo x > "$0"; exec sleep 600`, ready)
	r := start(t, db, args...)
	untilFile(t, ready)
	return r
}

// stop ends a sleeper.
func (r *run) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	r.wantStatus(128 + int(syscall.SIGTERM))
}

// try tries to run "true", and returns the exit status and the line.
func try(t *testing.T, db string, args ...string) (int, string) {
	t.Helper()
	r := quick(t, db, append(append([]string{"run", "--try"}, args...), "--", "true")...)
	return r.status(), r.errOut.String()
}

func wantTry(t *testing.T, db string, want int, args ...string) {
	t.Helper()
	if got, line := try(t, db, args...); got != want {
		t.Fatalf("run --try %q: exit status %d, want %d: %s", args, got, want, line)
	}
}

// Three readers at once, a writer after them, and nobody past the writer.
func TestShared(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		var readers []*run
		for range 3 {
			readers = append(readers, sleeper(t, db, "--shared", "name"))
		}
		wantTry(t, db, statusHeld, "name")
		wantTry(t, db, statusUsage, "--permits", "3", "name")
		writer := start(t, db, "run", "name", "--", "echo", "written")
		untilQueued(t, db, "name", 1)
		wantTry(t, db, statusHeld, "--shared", "name")
		until(t, "the wait is explained", func() bool { return writer.errOut.String() != "" })
		if line := writer.errOut.String(); !strings.Contains(line, " and 2 more") {
			t.Errorf("the holders are not counted: %s", line)
		}
		for _, r := range readers {
			if out := writer.out.String(); out != "" {
				t.Fatal("the writer ran beside a reader")
			}
			r.stop()
		}
		writer.wantStatus(0)
		wantTry(t, db, 0, "--shared", "name")
	})
}

func TestPermits(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		first := sleeper(t, db, "--permits", "2", "name")
		wantTry(t, db, 0, "--permits", "2", "name")
		sleeper(t, db, "--permits", "2", "name")
		wantTry(t, db, statusHeld, "--permits", "2", "name")
		third := start(t, db, "run", "--permits", "2", "name", "--", "true")
		untilQueued(t, db, "name", 1)
		first.stop()
		third.wantStatus(0)
	})
}

// Whoever comes with another limit is told which one is in use, and what to do. -E
// does not apply: nobody would hear of the mistake.
func TestPermitsDisagree(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		holder := sleeper(t, db, "--permits", "2", "name")
		for _, c := range []struct{ args, parts []string }{
			{[]string{"--permits", "3"}, []string{`"name" is in use with 2 permits, not with 3 permits: give --permits 2`}},
			{[]string{"--try", "-E", "0"}, []string{`"name" is in use with 2 permits, not as a lock: give --permits 2`}},
			{[]string{"--shared", "--wait", "1m"}, []string{"not as a lock"}},
		} {
			args := append(append([]string{"run"}, c.args...), "other", "name", "--", "true")
			quick(t, db, args...).wantError(statusUsage, c.parts...)
		}
		wantTry(t, db, 0, "other")
		holder.stop()
		sleeper(t, db, "name")
		quick(t, db, "run", "--permits", "1", "name", "--", "true").
			wantError(statusUsage, `"name" is in use as a lock, not with 1 permit: leave out --permits`)
	})
}

// A second host finds the lock taken, though the first run has ended.
func TestMinHold(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		quick(t, db, "run", "--try", "--min-hold", "10m", "name", "--", "true").wantStatus(0)
		quick(t, db, "run", "--try", "--min-hold", "10m", "name", "--", "true").
			wantError(statusHeld, `"name" stays taken for another `, "minimum hold")
		quick(t, db, "run", "--wait", "500ms", "name", "--", "true").wantStatus(statusHeld)
		quick(t, db, "revoke", "name").wantStatus(0)
		wantTry(t, db, 0, "name")

		begin := time.Now()
		const d = 1500 * time.Millisecond
		quick(t, db, "run", "--min-hold", d.String(), "short", "--", "true").wantStatus(0)
		waiter := quick(t, db, "run", "short", "--", "true")
		if took := time.Since(begin); took < d {
			t.Errorf("the next run was over after %v, and the first was to last for %v", took, d)
		}
		waiter.wantStatus(0)
	})
}

func TestMinHoldOutlivesItsHolder(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		holder := sleeper(t, db, "--ttl", "1s", "--min-hold", "10m", "name")
		keeper := holder.keeper()
		kill(t, holder.Process.Pid, syscall.SIGSTOP) // so that neither sees the other die
		kill(t, keeper, syscall.SIGKILL)
		holder.signal(syscall.SIGKILL)
		until(t, "the holder is known to be dead", func() bool {
			status, line := try(t, db, "name")
			if status != statusHeld {
				t.Fatalf("exit status %d during the minimum hold: %s", status, line)
			}
			return strings.Contains(line, "stays taken for another ")
		})
	})
}
