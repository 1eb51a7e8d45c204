//go:build unix

package sqlite

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// roles are what this test binary does when it runs as another process: the role
// is its first argument, the database its second.
var roles = map[string]func(ctx context.Context, path string) error{
	"hold":    playHolder,
	"create":  playCreator,
	"sleep":   playSleeper,
	"connect": playConnector,
}

func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		if role, ok := roles[os.Args[1]]; ok {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := role(ctx, os.Args[2]); err != nil {
				fmt.Println("error:", err)
				os.Exit(1)
			}
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// playHolder holds "a" until it is killed. It leaves a child behind if CHILD is
// set, which has its lease's file if that is "heir".
func playHolder(ctx context.Context, path string) error {
	client, err := leasehold.Open(ctx, Open(path), leasehold.Config{Owner: "victim"})
	if err != nil {
		return err
	}
	lock, err := client.Acquire(ctx, "a")
	if err != nil {
		return err
	}
	if kind := os.Getenv("CHILD"); kind != "" {
		hold := lock.Hold()
		file, err := hold.Conn.(driver.Inheritor).LeaseFile(hold.Lease)
		if err != nil {
			return err
		}
		child := exec.Command(os.Args[0], "sleep", path)
		if kind == "heir" {
			child.ExtraFiles = []*os.File{file}
		}
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Println("child", child.Process.Pid)
	}
	fmt.Println("holding", lock.Fence())
	<-ctx.Done()
	return nil
}

// playSleeper lives until it is killed.
func playSleeper(ctx context.Context, _ string) error {
	<-ctx.Done()
	return nil
}

// playCreator waits for the start signal, a closed standard input, so that many
// create the same file at the same moment.
func playCreator(ctx context.Context, path string) error {
	fmt.Println("ready")
	_, _ = os.Stdin.Read(make([]byte, 1))
	client, err := leasehold.Open(ctx, Open(path), leasehold.Config{})
	if err != nil {
		return err
	}
	defer client.Close()
	lock, err := client.Acquire(ctx, "a")
	if err != nil {
		return err
	}
	fmt.Println("fence", lock.Fence())
	return lock.Release(ctx)
}

func playConnector(ctx context.Context, path string) error {
	c, err := Open(path).Connect(ctx, driver.Settings{TTL: testTTL})
	if err != nil {
		return fmt.Errorf("permanent=%v %w", driver.IsPermanent(err), err)
	}
	return c.Close()
}

// process is this test binary in another role.
type process struct {
	*exec.Cmd
	t     testing.TB
	lines *bufio.Scanner
}

func start(t testing.TB, role, path string, change func(*exec.Cmd)) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, role, path)
	cmd.Stderr = os.Stderr
	if change != nil {
		change(cmd)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd, t, bufio.NewScanner(out)}
	t.Cleanup(func() { _ = p.Process.Kill(); _ = p.Wait() }) // a test may have done so
	return p
}

// line returns the rest of the next line of output that starts with word.
func (p *process) line(word string) string {
	p.t.Helper()
	for p.lines.Scan() {
		if rest, ok := strings.CutPrefix(p.lines.Text(), word); ok {
			return strings.TrimSpace(rest)
		}
		if strings.HasPrefix(p.lines.Text(), "error:") {
			p.t.Fatal(p.lines.Text())
		}
	}
	p.t.Fatalf("the process ended without saying %q", word)
	return ""
}

func (p *process) kill() {
	p.t.Helper()
	if err := p.Process.Signal(syscall.SIGKILL); err != nil {
		p.t.Fatal(err)
	}
}
