package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func TestSeveralNamesInTheEnvironment(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		r := quick(t, db, "run", "b b", "a", "--", "sh", "-c", `echo "$LEASEHOLD_NAME|$LEASEHOLD_FENCE|$LEASEHOLD_NAMES|$LEASEHOLD_FENCES"`)
		r.wantStatus(0)
		fields := strings.Split(strings.TrimSpace(r.out.String()), "|")
		if len(fields) != 4 || fields[0] != "b b" || fields[2] != "b b\na" {
			t.Fatalf("the command saw %q", fields)
		}
		fences := strings.Split(fields[3], "\n")
		if len(fences) != 2 || fences[0] != fields[1] || fences[0] == fences[1] {
			t.Errorf("the first fence is %s, all are %q", fields[1], fences)
		}
		one := quick(t, db, "run", "a", "--", "sh", "-c", `test "$LEASEHOLD_NAMES $LEASEHOLD_FENCES" = "a $LEASEHOLD_FENCE"`)
		one.wantStatus(0)
	})
}

// Two runs that name the same locks in opposite order wait for each other in turn, and
// never in a circle.
func TestSeveralNamesNeverDeadlock(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		alone := filepath.Join(t.TempDir(), "alone")
		var all sync.WaitGroup
		for _, names := range [][]string{{"a", "b", "c"}, {"c", "b", "a"}} {
			all.Go(func() {
				for range 4 {
					args := append(append([]string{"run"}, names...), "--", "sh", "-c", `mkdir "$0" && sleep 0.02 && rmdir "$0"`, alone)
					r := startProgram(t, fastTool, environment(db), args...)
					<-r.done
					if status := r.ProcessState.ExitCode(); status != 0 {
						t.Errorf("%q: exit status %d: %s", names, status, r.errOut.String())
					}
				}
			})
		}
		all.Wait()
	})
}

// A try takes all or none. None stays taken for a minimum hold, either: nothing was run.
func TestSeveralNamesTry(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		holder := sleeper(t, db, "b")
		quick(t, db, "run", "--try", "--min-hold", "10m", "a", "c", "b", "--", "true").wantError(statusHeld, `"b" is held by`)
		quick(t, db, "run", "--wait", "500ms", "--min-hold", "10m", "a", "b", "--", "true").wantError(statusHeld, `"b" is held by`, "gave up")
		wantTry(t, db, 0, "a", "c")
		holder.stop()
		wantTry(t, db, 0, "--min-hold", "10m", "c", "b", "a")
		for _, name := range []string{"a", "b", "c"} {
			wantTry(t, db, statusHeld, name)
		}
	})
}

// A run that is interrupted while it waits keeps nothing of what it had.
func TestSeveralNamesInterrupted(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		sleeper(t, db, "b")
		waiter := start(t, db, "run", "--min-hold", "10m", "b", "a", "--", "true")
		untilQueued(t, db, "b", 1)
		wantTry(t, db, statusHeld, "a")
		waiter.signal(syscall.SIGINT)
		waiter.wantStatus(128 + int(syscall.SIGINT))
		wantTry(t, db, 0, "a")
	})
}

// The loss of one lock ends the command, and gives up the others.
func TestSeveralNamesLoseOne(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		holder := sleeper(t, db, "a", "b")
		quick(t, db, "revoke", "b", "--reason", "a test of it").wantStatus(0)
		holder.wantError(statusLost, `lock "b" lost`, "a test of it")
		wantTry(t, db, 0, "a", "b")

		holder = sleeper(t, db, "a", "b")
		kill(t, holder.keeper(), syscall.SIGKILL)
		holder.wantError(statusLost, `locks "a", "b" lost`)
	})
}

// A run that loses one lock while it waits for another begins again.
func TestSeveralNamesLoseOneWaiting(t *testing.T) {
	t.Parallel()
	onEach(t, func(t *testing.T, db string) {
		holder := sleeper(t, db, "b")
		waiter := start(t, db, "run", "--ttl", ttl.String(), "a", "b", "--", "sh", "-c", `echo "$LEASEHOLD_FENCE"`)
		untilQueued(t, db, "b", 1)
		lost := inspected(t, db, "a").Fence
		until(t, "the wait is explained", func() bool { return strings.Contains(waiter.errOut.String(), `waiting for "b"`) })
		quick(t, db, "revoke", "a").wantStatus(0)
		until(t, "it is held again", func() bool {
			now := inspected(t, db, "a")
			return now.State == "held" && now.Fence > lost
		})
		holder.stop()
		waiter.wantStatus(0)
		if again := fmt.Sprintln(inspected(t, db, "a").Fence); waiter.out.String() != again {
			t.Errorf("the command saw the fence %q, and the last grant has %q", waiter.out.String(), again)
		}
	})
}

// All locks of a run live as long as any descendant of the command does, on SQLite.
func TestSeveralNamesBothKilled(t *testing.T) {
	t.Parallel()
	db, file := newSQLite(t), filepath.Join(t.TempDir(), "stamps")
	holder := start(t, db, append([]string{"run", "--ttl", ttl.String(), "a", "b", "--"}, stampFromAfar(file)...)...)
	untilFile(t, file)
	keeper := holder.keeper()
	command := childNamed(keeper, "sh")
	kill(t, holder.Process.Pid, syscall.SIGSTOP) // so that neither sees the other die
	kill(t, keeper, syscall.SIGKILL)
	holder.signal(syscall.SIGKILL)
	until(t, "the command is dead", func() bool { return !alive(command) })
	for _, name := range []string{"a", "b"} {
		wantTry(t, db, statusHeld, name)
	}
	kill(t, stamper(t, file), syscall.SIGKILL)
	until(t, "both are free", func() bool {
		status, _ := try(t, db, "a", "b")
		return status == 0
	})
}
