package proctree

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	line := func(state, threads string) []byte {
		return []byte("7 (a) b (c) " + state + " 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 " + threads + " 0 991 0 0\n")
	}
	for _, c := range []struct {
		state, threads string
		dead           bool
	}{{"S", "1", false}, {"R", "4", false}, {"T", "1", false}, {"Z", "1", true}, {"Z", "3", false}, {"X", "0", true}} {
		got, ok := parse(7, line(c.state, c.threads))
		if want := (process{pid: 7, parent: 3, start: 991, dead: c.dead}); !ok || got != want {
			t.Errorf("state %s, %s threads: %+v, %v; want %+v", c.state, c.threads, got, ok, want)
		}
	}
	if _, ok := parse(7, []byte("7 (short) S 1")); ok {
		t.Error("a short line was read")
	}
}

func TestSignalSparesAReusedNumber(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, ok := read(cmd.Process.Pid)
	if !ok {
		t.Fatal("cannot read the child")
	}
	other := p
	other.start--
	other.signal(syscall.SIGKILL)
	p.signal(syscall.SIGTERM)
	_ = cmd.Wait()
	if got := cmd.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != syscall.SIGTERM {
		t.Errorf("ended by %v, want SIGTERM", got)
	}
}

// A process that forks as fast as it can, from sessions of its own, is gone
// when Kill returns.
func TestKillOutrunsForks(t *testing.T) {
	if err := Adopt(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `
		for i in 1 2 3; do setsid sh -c 'while :; do (setsid sleep 60 &) ; sleep 0.01 & wait $!; done' & done
		echo ready; wait`)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		t.Fatal(err)
	}
	tree := &Tree{Root: os.Getpid(), Group: cmd.Process.Pid}
	for len(tree.members()) < 20 {
		time.Sleep(time.Millisecond)
	}
	tree.Kill(reapAll)
	if left := tree.members(); len(left) != 0 {
		t.Errorf("%d left: %+v", len(left), left)
	}
}

func reapAll() bool {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err == syscall.ECHILD:
			return true
		case err != nil || pid == 0:
			return false
		}
	}
}

func TestSpareAndForeign(t *testing.T) {
	cmd := exec.Command("sh", "-c", "sleep 60 & echo $!; wait")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { (&Tree{Root: os.Getpid()}).Kill(reapAll) })
	line := make([]byte, 20)
	n, _ := out.Read(line)
	grandchild, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil {
		t.Fatal(err)
	}
	has := func(tree Tree, pid int) bool {
		for _, p := range tree.members() {
			if p.pid == pid {
				return true
			}
		}
		return false
	}
	child, self := cmd.Process.Pid, os.Getpid()
	if tree := (Tree{Root: self, Spare: child}); has(tree, child) || !has(tree, grandchild) {
		t.Error("Spare must leave out the process and nobody else")
	}
	if tree := (Tree{Root: self, Foreign: Children(self)}); has(tree, child) || has(tree, grandchild) {
		t.Error("Foreign must leave out the process and its descendants")
	}
	if tree := (Tree{Root: self}); !has(tree, child) || !has(tree, grandchild) {
		t.Error("the tree must hold child and grandchild")
	}
}
