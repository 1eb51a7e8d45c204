package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// startCandidate starts a candidate whose command, in a session of its own and
// deaf to SIGTERM, stamps a file.
func startCandidate(t *testing.T, db, file string) *run {
	t.Helper()
	return start(t, db, append([]string{"elect", "--ttl", ttl.String(), "office", "--"}, stampFromAfar(file)...)...)
}

// Three hosts, and a leader that is killed, one that is told to end, and one that
// is asked to resign: exactly one command at a time.
func TestElectOneAtATime(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		var hosts []*run
		var files []string
		for i := range 3 {
			files = append(files, filepath.Join(t.TempDir(), strconv.Itoa(i)))
			hosts = append(hosts, startCandidate(t, db, files[i]))
			if i == 0 {
				untilFile(t, files[0])
			} else {
				untilQueued(t, db, "office", i)
			}
		}
		hosts[0].signal(syscall.SIGKILL)
		handOver(t, files[0], files[1])
		hosts[1].signal(syscall.SIGTERM)
		handOver(t, files[1], files[2])
		hosts[1].wantStatus(128 + int(syscall.SIGTERM))
		files = append(files, filepath.Join(t.TempDir(), "3"))
		startCandidate(t, db, files[3])
		untilQueued(t, db, "office", 1)
		quick(t, db, "revoke", "office").wantStatus(0)
		handOver(t, files[2], files[3])
		untilQueued(t, db, "office", 1) // who was asked campaigns again
		for i := range 3 {
			if all := stamps(t, files[i]); all[len(all)-1] >= stamps(t, files[i+1])[0] {
				t.Errorf("the commands of hosts %d and %d overlapped", i, i+1)
			}
		}
	})
}

// reportTerm is a command that appends a line with its term to a file and ends.
func reportTerm(file, host string) []string {
	return []string{"sh", "-c", `echo "$0 $LEASEHOLD_TERM $LEASEHOLD_FENCE $LEASEHOLD_NAME" >> "$1"`, host, file}
}

// lines returns the fields of each line of a file, once it has n lines.
func lines(t *testing.T, file string, n int) (all [][]string) {
	t.Helper()
	until(t, fmt.Sprintf("%s has %d lines", file, n), func() bool {
		content, _ := os.ReadFile(file)
		return strings.Count(string(content), "\n") >= n
	})
	content, _ := os.ReadFile(file)
	for line := range strings.Lines(string(content)) {
		all = append(all, strings.Fields(line))
	}
	return all
}

// A command that ends, ends its term: hosts take turns, and terms rise.
func TestElectTermsRise(t *testing.T) {
	onEach(t, func(t *testing.T, db string) {
		file := filepath.Join(t.TempDir(), "terms")
		for _, host := range []string{"a", "b"} {
			start(t, db, append([]string{"elect", "--pause", "1ms", "office", "--"}, reportTerm(file, host)...)...)
		}
		until(t, "both have led", func() bool {
			content, _ := os.ReadFile(file)
			return strings.Contains(string(content), "a ") && strings.Contains(string(content), "b ")
		})
		var last uint64
		for _, line := range lines(t, file, 8) {
			if len(line) != 4 || line[1] != line[2] || line[3] != "office" {
				t.Fatalf("the command saw %q", line)
			}
			term, err := strconv.ParseUint(line[1], 10, 64)
			if err != nil || term <= last {
				t.Errorf("term %s after %d", line[1], last)
			}
			last = term
		}
	})
}

// After a loss the host campaigns again; the tool says what happened.
func TestElectAgainAfterALoss(t *testing.T) {
	db, file := newSQLite(t), filepath.Join(t.TempDir(), "terms")
	command := reportTerm(file, "a")
	command[2] += "; exec sleep 600"
	r := start(t, db, append([]string{"elect", "--ttl", ttl.String(), "--pause", "1ms", "office", "--"}, command...)...)
	for n := range 3 {
		lines(t, file, n+1)
		kill(t, r.keeper(), syscall.SIGKILL)
	}
	all := lines(t, file, 4)
	if terms := []string{all[0][1], all[1][1], all[2][1], all[3][1]}; !slices.IsSorted(terms) {
		t.Errorf("terms %q", terms)
	}
	r.signal(syscall.SIGTERM)
	r.wantStatus(128 + int(syscall.SIGTERM))
	if n := strings.Count(r.errOut.String(), "lost"); n != 3 {
		t.Errorf("the tool told of %d losses:\n%s", n, r.errOut.String())
	}
}

// A keeper that dies while it waits costs the place in the queue, not the candidacy.
func TestElectAgainAfterTheKeeperDiedWaiting(t *testing.T) {
	db, file := newSQLite(t), filepath.Join(t.TempDir(), "terms")
	holder := start(t, db, "run", "office", "--", "sleep", "600")
	until(t, "there is a holder", func() bool { return held(t, db, "office") })
	r := start(t, db, append([]string{"elect", "--pause", "1ms", "office", "--"}, reportTerm(file, "a")...)...)
	untilQueued(t, db, "office", 1)
	first := r.keeper()
	kill(t, first, syscall.SIGKILL)
	until(t, "there is another keeper", func() bool { return r.keeper() != first })
	untilQueued(t, db, "office", 1)
	holder.signal(syscall.SIGTERM)
	lines(t, file, 1)
}

// A signal ends it in every state, with the status that is documented.
func TestElectEndsWithASignal(t *testing.T) {
	db := newSQLite(t)
	ready := filepath.Join(t.TempDir(), "ready")
	leader := start(t, db, "elect", "office", "--", "sh", "-c", `trap 'exit 5' TERM; echo x > "$0"; while :; do sleep 0.01; done`, ready)
	untilFile(t, ready)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		waiter := start(t, db, "elect", "office", "--", "true")
		untilQueued(t, db, "office", 1)
		waiter.signal(sig)
		waiter.wantStatus(128 + int(sig))
		untilQueued(t, db, "office", 0)
	}
	leader.signal(syscall.SIGTERM)
	leader.wantStatus(5)

	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		file := filepath.Join(t.TempDir(), "terms")
		pausing := start(t, db, append([]string{"elect", "--pause", "1h", "office", "--"}, reportTerm(file, "a")...)...)
		lines(t, file, 1)
		until(t, "it pauses", func() bool { return !held(t, db, "office") && childNamed(pausing.Process.Pid, keeperName) == 0 })
		pausing.signal(syscall.SIGUSR1) // not for anybody
		pausing.signal(sig)
		pausing.wantStatus(128 + int(sig))
	}
}

// A command that takes SIGHUP as the wish to read its settings again leads on, and
// its end later is no reason to stop campaigning.
func TestElectSurvivesAHangUp(t *testing.T) {
	db, dir := newSQLite(t), t.TempDir()
	file, end := filepath.Join(dir, "terms"), filepath.Join(dir, "end")
	command := reportTerm(file, "a")
	command[2] = `trap 'echo hup >> "$1"' HUP; ` + command[2] + `; until [ -e "$2" ]; do sleep 0.01; done`
	r := start(t, db, append(append([]string{"elect", "--pause", "1ms", "office", "--"}, command...), end)...)
	lines(t, file, 1)
	r.signal(syscall.SIGHUP)
	if all := lines(t, file, 2); all[1][0] != "hup" {
		t.Fatalf("instead of a hang-up came %q", all[1])
	}
	if err := os.WriteFile(end, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lines(t, file, 4) // terms go on
}

// Each term's command has the terminal; Ctrl-Z stops all, and Ctrl-C ends all.
func TestElectInATerminal(t *testing.T) {
	t.Parallel()
	s := newSession(t, newSQLite(t))
	s.send(`$tool elect --pause 1ms office -- sh -c 'echo begin; read line; echo "end $line"'` + "\n")
	for _, line := range []string{"one", "two"} {
		s.expect("\nbegin")
		s.send(line + "\n")
		s.expect("\nend " + line)
	}
	s.expect("\nbegin")
	s.send(ctrlZ)
	s.expect("Stopped")
	s.send("fg\n")
	s.expect("office")
	s.send("three\n")
	s.expect("\nend three")
	s.expect("\nbegin")
	s.send(ctrlC)
	s.expect("130 ready> ")
}

// An outage that is longer than the TTL, and than the patience at the start, is
// ridden out: the host leads again when the database is back.
func TestElectRidesOutAnOutage(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	file := filepath.Join(t.TempDir(), "terms")
	command := reportTerm(file, "a")
	command[2] += "; exec sleep 600"
	r := start(t, server.URL(), append([]string{
		"elect", "--ttl", ttl.String(), "--pause", "100ms", "--connect-timeout", "2s", "office", "--",
	}, command...)...)
	lines(t, file, 1)
	if err := server.Kill(); err != nil {
		t.Fatal(err)
	}
	until(t, "the database was out of reach twice", func() bool {
		return strings.Count(r.errOut.String(), "unreachable") >= 2
	})
	if err := server.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all := lines(t, file, 2); all[1][1] <= all[0][1] {
		t.Errorf("term %s after term %s", all[1][1], all[0][1])
	}
}

func TestElectWithoutADatabase(t *testing.T) {
	quick(t, "postgres://user@127.0.0.1:1/db", "elect", "--connect-timeout", "100ms", "office", "--", "true").
		wantError(statusUnavailable)
}

// Term after term, the process keeps no descriptor and no thread more.
func TestElectLeavesNothingBehind(t *testing.T) {
	file := filepath.Join(t.TempDir(), "terms")
	args := append([]string{"elect", "--pause", "1ms", "office", "--"}, reportTerm(file, "a")...)
	r := startProgram(t, fastTool, environment(newSQLite(t)), args...)
	open := func() int {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", r.Process.Pid))
		if err != nil {
			t.Fatal(err)
		}
		return len(fds)
	}
	most := func(from, to int) (n int) {
		for i := from; i < to; i++ {
			lines(t, file, i)
			n = max(n, open())
		}
		return n
	}
	early, late := most(2, 12), most(30, 40)
	if late > early+2 {
		t.Errorf("%d descriptors, after %d", late, early)
	}
}

func TestElectMistakesOnTheCommandLine(t *testing.T) {
	db := newSQLite(t)
	for _, args := range [][]string{
		{"elect"}, {"elect", "name"}, {"elect", "name", "--"}, {"elect", "name", "true"}, {"elect", "--", "true"},
		{"elect", "--pause", "-1s", "name", "--", "true"}, {"elect", "--try", "name", "--", "true"},
		{"elect", "--ttl", "1ms", "name", "--", "true"},
	} {
		quick(t, db, args...).wantError(statusUsage)
	}
	quick(t, db, "elect", "name", "--", "no-such-command-anywhere").wantError(statusNotFound)
	begin := time.Now()
	quick(t, "oracle://host/db", "elect", "name", "--", "true").wantError(statusConfig)
	if d := time.Since(begin); d > patience/2 {
		t.Errorf("an unusable database was noticed after %v", d)
	}
}
