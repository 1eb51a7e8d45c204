package pgserver

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Mode is how a server is stopped.
type Mode int

const (
	// Fast ends sessions and writes a checkpoint: an orderly shutdown.
	Fast Mode = iota
	// Immediate ends without a checkpoint: the next start recovers from the log.
	Immediate
)

// stopTimeout bounds an orderly shutdown; after it the server is killed.
const stopTimeout = 30 * time.Second

// Stop stops the server and waits until it has exited. A server that does not
// run is left alone; one that is frozen is thawed first.
func (s *Server) Stop(mode Mode) error {
	pid, exited := s.running()
	if pid == 0 {
		return nil
	}
	if err := s.Thaw(); err != nil {
		return err
	}
	if err := stopProcess(pid, mode); err != nil {
		return err
	}
	select {
	case <-exited:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("PostgreSQL was killed, it did not stop within %v: %w", stopTimeout, s.Kill())
	}
}

// Kill ends all processes of the server at once with SIGKILL, as a crash of
// its host would, and waits until they are gone. What was committed durably is
// there after Restart.
func (s *Server) Kill() error {
	pid, exited := s.running()
	if pid == 0 {
		return nil
	}
	if err := signalTree(pid, kill); err != nil {
		return err
	}
	<-exited
	return os.Remove(s.pidFile())
}

// Freeze stops all processes of the server with SIGSTOP: connections stay open,
// new ones are accepted by the kernel, and nothing is ever answered.
func (s *Server) Freeze() error { return s.signal(freeze) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.signal(thaw) }

// Terminate ends all client sessions with pg_terminate_backend and returns how
// many there were.
func (s *Server) Terminate(ctx context.Context) (int, error) {
	out, err := s.Query(ctx, `select count(pg_terminate_backend(pid)) from pg_stat_activity
		where backend_type = 'client backend' and pid <> pg_backend_pid()`)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(out)
}

// Query runs SQL as superuser through psql, on the database postgres, and
// returns what it prints: rows as lines, columns separated by |. It takes some
// ten milliseconds; a test that asks often opens a connection of its own.
func (s *Server) Query(ctx context.Context, sql string) (string, error) {
	cmd := s.command(ctx, "psql", "-XAtq", "-v", "ON_ERROR_STOP=1",
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", "postgres", "-d", "postgres", "-c", sql)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

func (s *Server) signal(sig treeSignal) error {
	pid, _ := s.running()
	if pid == 0 {
		return nil
	}
	return signalTree(pid, sig)
}

// running returns the server's process id, 0 if it does not run, and what is
// closed when it exits.
func (s *Server) running() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0, nil
	}
	select {
	case <-s.exited:
		return 0, s.exited
	default:
		return s.cmd.Process.Pid, s.exited
	}
}
