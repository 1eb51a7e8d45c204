package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Hazard 48: every signal reaches the command, once.
func TestHazard48_Signals(t *testing.T) {
	db := newSQLite(t)
	for name, sig := range map[string]syscall.Signal{
		"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT,
		"USR1": syscall.SIGUSR1, "USR2": syscall.SIGUSR2, "ALRM": syscall.SIGALRM, "WINCH": syscall.SIGWINCH,
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, db, append([]string{"run", "name-" + name, "--"}, actor("count", name)...)...)
			until(t, "the command is ready", func() bool { return strings.Contains(r.out.String(), "ready") })
			r.signal(sig)
			r.wantStatus(41)
		})
	}
}

// A service manager sends SIGTERM to every process of a service.
func TestSignalToBothProcesses(t *testing.T) {
	r := start(t, newSQLite(t), append([]string{"run", "name", "--"}, actor("count", "TERM")...)...)
	until(t, "the command is ready", func() bool { return strings.Contains(r.out.String(), "ready") })
	keeper := r.keeper()
	r.signal(syscall.SIGTERM)
	kill(t, keeper, syscall.SIGTERM)
	r.wantStatus(41)
}

// A signal for one process leaves the programs that a script runs alone.
func TestSignalForAScript(t *testing.T) {
	ready := filepath.Join(t.TempDir(), "ready")
	script := `trap 'kill -0 $child && exit 6' USR1; sleep 600 & child=$!; echo x > "$0"; wait; exit 7`
	r := start(t, newSQLite(t), "run", "--stop-timeout", "100ms", "name", "--", "sh", "-c", script, ready)
	untilFile(t, ready)
	r.signal(syscall.SIGUSR1)
	r.wantStatus(6)
}

// A wait ended by a signal leaves the queue.
func TestSignalWhileWaiting(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		ready := filepath.Join(t.TempDir(), "ready")
		start(t, db, "run", "name", "--", "sh", "-c", `echo x > "$0"; exec sleep 600`, ready)
		untilFile(t, ready)
		for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
			waiter := start(t, db, "run", "name", "--", "true")
			untilQueued(t, db, "name", 1)
			waiter.signal(sig)
			waiter.wantStatus(128 + int(sig))
			untilQueued(t, db, "name", 0)
		}
	})
}

// A wait that was killed leaves the queue too.
func TestWaiterKilled(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		ready := filepath.Join(t.TempDir(), "ready")
		start(t, db, "run", "name", "--", "sh", "-c", `echo x > "$0"; exec sleep 600`, ready)
		untilFile(t, ready)
		waiter := start(t, db, "run", "name", "--", "true")
		untilQueued(t, db, "name", 1)
		waiter.signal(syscall.SIGKILL)
		untilQueued(t, db, "name", 0)
	})
}

// The wait for a database that does not answer ends with a signal, too.
func TestSignalWhileConnecting(t *testing.T) {
	r := start(t, "postgres://user@127.0.0.1:1/db", "run", "--connect-timeout", "1h", "name", "--", "true")
	r.keeper()
	begin := time.Now()
	r.signal(syscall.SIGTERM)
	r.wantStatus(128 + 15)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What nohup makes us ignore stays ignored.
func TestIgnoredSignal(t *testing.T) {
	dir := t.TempDir()
	ready, file := filepath.Join(dir, "ready"), filepath.Join(dir, "go")
	script := `trap '' HUP; exec "$0" run name -- sh -c 'echo x > "$0"; until [ -e "$1" ]; do sleep 0.01; done; exit 3' "$1" "$2"`
	r := startProgram(t, "sh", environment(newSQLite(t)), "-c", script, tool, ready, file)
	untilFile(t, ready)
	r.signal(syscall.SIGHUP)
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.wantStatus(3)
}

// Descriptors that the shell opened reach the command under their numbers.
func TestDescriptors(t *testing.T) {
	script := `exec 3>"$1" 7>"$2"; exec "$0" run name -- sh -c 'echo three >&3; echo seven >&7'`
	dir := t.TempDir()
	three, seven := filepath.Join(dir, "3"), filepath.Join(dir, "7")
	startProgram(t, "sh", environment(newSQLite(t)), "-c", script, tool, three, seven).wantStatus(0)
	if untilFile(t, three) != "three\n" || untilFile(t, seven) != "seven\n" {
		t.Error("the descriptors were mixed up")
	}
}
