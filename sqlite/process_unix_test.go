//go:build unix

package sqlite

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// atOnce is far below any TTL in these tests, and far above what a take-over
// takes.
const atOnce = 5 * time.Second

func openClient(t *testing.T, path string) *leasehold.Client {
	t.Helper()
	client, err := leasehold.Open(t.Context(), Open(path), leasehold.Config{TTL: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// TestKilledHolderIsSucceededAtOnce: by a waiter, and not after its TTL.
func TestKilledHolderIsSucceededAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks.db")
	victim := start(t, "hold", path, nil)
	fence, _ := strconv.ParseUint(victim.line("holding"), 10, 64)
	client := openClient(t, path)
	granted := make(chan *leasehold.Lock, 1)
	go func() {
		lock, err := client.Acquire(t.Context(), "a")
		if err != nil {
			t.Error(err)
		}
		granted <- lock
	}()
	await(t, "the client waits", func() bool {
		info, err := client.Get(t.Context(), "a")
		return err == nil && len(info.Waiters) == 1
	})
	killed := time.Now()
	victim.kill()
	lock := <-granted
	took := time.Since(killed)
	t.Logf("succeeded %v after the kill", took)
	if took > atOnce {
		t.Errorf("succeeded only %v after the kill", took)
	}
	if lock.Fence() <= fence {
		t.Errorf("fence %d after %d", lock.Fence(), fence)
	}
}

// TestHazard15_TryTakesOverFromTheDead: also one that only tries.
func TestHazard15_TryTakesOverFromTheDead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "locks.db")
	victim := start(t, "hold", path, nil)
	victim.line("holding")
	client := openClient(t, path)
	_, err := client.TryAcquire(t.Context(), "a")
	var held *leasehold.HeldError
	if !errors.As(err, &held) || held.Holder.Owner != "victim" || held.Holder.PID != victim.Process.Pid {
		t.Fatalf("a try while it lives: %v", err)
	}
	victim.kill()
	_ = victim.Wait()
	if _, err := client.TryAcquire(t.Context(), "a"); err != nil {
		t.Errorf("a try after its death: %v", err)
	}
}

// orphan returns a child whose parent held "a" and was killed, and a client.
func orphan(t *testing.T, kind string) (pid int, client *leasehold.Client) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "locks.db")
	parent := start(t, "hold", path, func(cmd *exec.Cmd) { cmd.Env = append(os.Environ(), "CHILD="+kind) })
	pid, err := strconv.Atoi(parent.line("child"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	parent.line("holding")
	parent.kill()
	_, _ = parent.Process.Wait()
	return pid, openClient(t, path)
}

// TestChildWithoutTheFile: the descriptor does not leak into children by itself.
func TestChildWithoutTheFile(t *testing.T) {
	pid, client := orphan(t, "stranger")
	if _, err := client.TryAcquire(t.Context(), "a"); err != nil {
		t.Errorf("a child that was not given the file keeps the lock: %v", err)
	}
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the child does not live: %v", err)
	}
}

// TestInheritedLeaseFile: a child that has the descriptor keeps the lease alive
// after the death of its parent, and its own death ends it.
func TestInheritedLeaseFile(t *testing.T) {
	pid, client := orphan(t, "heir")
	for range 20 {
		if _, err := client.TryAcquire(t.Context(), "a"); !errors.Is(err, leasehold.ErrHeld) {
			t.Fatalf("while the child lives: %v", err)
		}
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	lock, err := client.Acquire(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}

// TestManyProcessesCreate: the directory, the file and the tables at once; all
// succeed, and exclude each other.
func TestManyProcessesCreate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "locks.db")
	begin, signal, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer begin.Close()
	var all []*process
	for range 20 {
		p := start(t, "create", path, func(cmd *exec.Cmd) { cmd.Stdin = begin })
		p.line("ready")
		all = append(all, p)
	}
	signal.Close()
	fences := map[string]bool{}
	for _, p := range all {
		fences[p.line("fence")] = true
		if err := p.Wait(); err != nil {
			t.Error(err)
		}
	}
	if len(fences) != len(all) {
		t.Errorf("%d different fences of %d", len(fences), len(all))
	}
	if left, _ := filepath.Glob(path + ".leases/*"); len(left) > 0 {
		t.Errorf("files of ended leases: %v", left)
	}
}

// TestHazard45_ReadOnly: a file that this user may only read is refused clearly,
// and at once.
func TestHazard45_ReadOnly(t *testing.T) {
	dir, err := os.MkdirTemp("", "leasehold-readonly")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "locks.db")
	newClient(t, Open(path)).hold("a")
	var other *syscall.Credential
	if os.Geteuid() == 0 {
		other = &syscall.Credential{Uid: 65534, Gid: 65534} // root may write to everything
		for name, mode := range map[string]os.FileMode{dir: 0o755, path: 0o644, path + "-wal": 0o644, path + "-shm": 0o644, path + ".leases": 0o755} {
			if err := os.Chmod(name, mode); err != nil {
				t.Fatal(err)
			}
		}
	} else if err := errors.Join(os.Chmod(path, 0o400), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	self := filepath.Join(dir, "..", filepath.Base(dir)+".test")
	copyFile(t, self)
	t.Cleanup(func() { _ = os.Remove(self) })
	cmd := exec.Command(self, "connect", path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: other}
	out, _ := cmd.CombinedOutput()
	if !strings.Contains(string(out), "permanent=true") || !strings.Contains(string(out), "cannot be written to") {
		t.Errorf("it says %q", out)
	}
}

// copyFile makes a copy of this test binary that every user may execute.
func copyFile(t *testing.T, path string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o755); err != nil {
		t.Fatal(err)
	}
}
