package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test binary be the program: see candidate.
func TestMain(m *testing.M) {
	if os.Getenv("ELECTION_PROGRAM") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// process is one process of the program, and the lines that it prints.
type process struct {
	*exec.Cmd
	lines chan string // closed when it has ended
}

func candidate(t *testing.T, db, owner string) process {
	t.Helper()
	p := process{exec.Command(os.Args[0], "-db", db, "-owner", owner), make(chan string, 100)}
	p.Env, p.Stderr = append(os.Environ(), "ELECTION_PROGRAM=1"), os.Stderr
	out, err := p.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(out)
	t.Cleanup(func() {
		_ = p.Process.Kill()
		_ = p.Wait()
	})
	return p
}

func (p process) read(out io.Reader) {
	defer close(p.lines)
	for in := bufio.NewScanner(out); in.Scan(); {
		p.lines <- in.Text()
	}
}

// line returns the next line that any of the processes prints.
func line(t *testing.T, processes ...process) string {
	t.Helper()
	merged := make(chan string, len(processes))
	for limit := time.After(30 * time.Second); ; {
		for _, p := range processes {
			select {
			case text, ok := <-p.lines:
				if ok {
					merged <- text
				}
			default:
			}
		}
		select {
		case text := <-merged:
			return text
		case <-limit:
			t.Fatal("nobody says anything")
		case <-time.After(time.Millisecond):
		}
	}
}

// leads returns the leader and the term that a line tells of.
func leads(t *testing.T, text string) (owner string, term uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(text, "%s leads, term %d", &owner, &term); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return owner, term
}

// Three processes: one leads, one is killed, one is stopped, and the last one leads.
func TestThreeProcesses(t *testing.T) {
	db := filepath.Join(t.TempDir(), "locks.db")
	rest := map[string]process{}
	for _, owner := range []string{"a", "b", "c"} {
		rest[owner] = candidate(t, db, owner)
	}
	next := func(last uint64) (process, uint64) {
		t.Helper()
		var all []process
		for _, p := range rest {
			all = append(all, p)
		}
		owner, term := leads(t, line(t, all...))
		if term <= last {
			t.Errorf("%s leads in term %d after %d", owner, term, last)
		}
		leader := rest[owner]
		delete(rest, owner)
		return leader, term
	}

	first, term := next(0)
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	second, term := next(term)
	if err := second.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if text := line(t, second); !strings.Contains(text, "leads no more: leasehold: the lock was released") {
		t.Errorf("the second leader says %q", text)
	}
	if err := second.Wait(); err != nil {
		t.Errorf("the second leader ended with %v", err)
	}
	third, _ := next(term)
	if err := third.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if text := line(t, third); !strings.Contains(text, "leads no more") {
		t.Errorf("the third leader says %q", text)
	}
}
