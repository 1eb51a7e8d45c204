package private

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	// startTimeout bounds the time a server takes until it accepts connections,
	// recovery after a crash included.
	startTimeout = 60 * time.Second
	// stopTimeout bounds an orderly shutdown; after it the server is killed.
	stopTimeout = 30 * time.Second
)

// Process is a test server that can be started again and again, or its directory while it
// does not run. It is safe for concurrent use, except that calls that start and end it are
// made one after the other.
type Process struct {
	Dir   string // holds everything of this server
	Owner *Owner // whom the server runs as; nil: as ourselves

	program Program
	guard   *guard

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has exited
}

// Command prepares a program, to be run as the server's owner, in a session of its own:
// a Ctrl-C on the terminal is for us to handle.
func (p *Process) Command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = p.Dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = p.Owner.Detached()
	return cmd
}

// Run starts the server, made by Command with a context that does not end, and returns when
// ready says so of its process.
func (p *Process) Run(ctx context.Context, cmd *exec.Cmd, ready func(ctx context.Context, pid int) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	exited, err := p.spawn(cmd)
	if err != nil {
		return err
	}
	for !ready(ctx, cmd.Process.Pid) {
		select {
		case <-exited:
			return fmt.Errorf("%s did not start, %v: %s", p.program.Name, cmd.ProcessState, p.Log())
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s to start: %w: %s", p.program.Name, context.Cause(ctx), p.Log())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (p *Process) spawn(cmd *exec.Cmd) (<-chan struct{}, error) {
	log, err := os.OpenFile(p.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // a killed server is no error
		close(exited)
	}()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd, p.exited = cmd, exited
	return exited, nil
}

// running returns the server's process id, 0 if it does not run, and what is closed
// when it exits.
func (p *Process) running() (int, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return 0, nil
	}
	select {
	case <-p.exited:
		return 0, p.exited
	default:
		return p.cmd.Process.Pid, p.exited
	}
}

// Running reports whether the server runs.
func (p *Process) Running() bool {
	pid, _ := p.running()
	return pid != 0
}

// Signal calls send with the server's process id, if it runs.
func (p *Process) Signal(send func(pid int) error) error {
	if pid, _ := p.running(); pid != 0 {
		return send(pid)
	}
	return nil
}

// Stop asks the server to end, and waits until it has exited; if that takes too long it is
// killed. A server that does not run is left alone.
func (p *Process) Stop(ask func(pid int) error, kill func() error) error {
	pid, exited := p.running()
	if pid == 0 {
		return nil
	}
	if err := ask(pid); err != nil {
		return err
	}
	select {
	case <-exited:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("%s was killed, it did not stop within %v: %w", p.program.Name, stopTimeout, kill())
	}
}

// Kill ends the server at once with send, and waits until it is gone. A server that does
// not run is left alone.
func (p *Process) Kill(send func(pid int) error) error {
	pid, exited := p.running()
	if pid == 0 {
		return nil
	}
	if err := send(pid); err != nil {
		return err
	}
	<-exited
	return nil
}

// Close removes the directory, and ends the server if it runs. Calls after the first do
// nothing.
func (p *Process) Close() error { return p.guard.close() }

// CloseAfter calls closing when the test has ended. A failed test prints the server's log.
func (p *Process) CloseAfter(t testing.TB, closing func() error) {
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of %s ends with:\n%s", p.program.Name, p.Log())
		}
		if err := closing(); err != nil {
			t.Errorf("closing the test server: %v", err)
		}
	})
}

func (p *Process) logFile() string { return filepath.Join(p.Dir, "log") }

// Log returns the end of the server's log, for error texts.
func (p *Process) Log() string {
	const most = 4 << 10
	f, err := os.Open(p.logFile())
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		_, _ = f.Seek(max(0, info.Size()-most), io.SeekStart)
	}
	b, _ := io.ReadAll(f)
	return cmp.Or(strings.TrimSpace(string(b)), "(empty log)")
}
