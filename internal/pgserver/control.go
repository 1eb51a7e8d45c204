package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// Mode is how a server is stopped.
type Mode int

const (
	// Fast ends sessions and writes a checkpoint: an orderly shutdown.
	Fast Mode = iota
	// Immediate ends without a checkpoint: the next start recovers from the log.
	Immediate
)

// Stop stops the server and waits until it has exited. A server that does not
// run is left alone; one that is frozen is thawed first.
func (s *Server) Stop(mode Mode) error {
	end := private.Interrupt
	if mode == Immediate {
		end = private.Quit
	}
	return s.process.Stop(func(pid int) error { return errors.Join(s.Thaw(), end.Send(pid)) }, s.Kill)
}

// Kill ends all processes of the server at once with SIGKILL, as a crash of
// its host would, and waits until they are gone. What was committed durably is
// there after Restart.
func (s *Server) Kill() error {
	if !s.process.Running() {
		return nil
	}
	if err := s.process.Kill(tree(private.Kill)); err != nil {
		return err
	}
	return os.Remove(s.pidFile())
}

// Freeze stops all processes of the server with SIGSTOP: connections stay open,
// new ones are accepted by the kernel, and nothing is ever answered.
func (s *Server) Freeze() error { return s.process.Signal(tree(private.Freeze)) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.process.Signal(tree(private.Thaw)) }

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
