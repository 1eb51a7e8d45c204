package pgserver

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// startTimeout bounds the time a server takes until it accepts connections,
// recovery after a crash included.
const startTimeout = 60 * time.Second

// Config says how a server differs from the default one. The zero Config is
// ready for use.
type Config struct {
	// BinDir is where postgres and initdb are. Default: as FindBinDir.
	BinDir string
	// Settings are added to the server's configuration, over our own: 200
	// connections, fsync and synchronous_commit on, 127.0.0.1 only.
	Settings map[string]string
	// Clock gives the server a wall clock that Step moves. It needs libfaketime.
	Clock bool
	// Disk limits the data directory to so many bytes, in memory, and so does
	// for standbys. An empty one takes about 60 MB. It needs Linux and root, see
	// CanLimitDisk. 0: no limit.
	Disk int64
}

// Server is one PostgreSQL instance. It is safe for concurrent use, except that
// calls that start and stop it are made one after the other.
type Server struct {
	binDir   string
	dir      string // holds everything of this server; removed by Close
	port     int
	password string
	settings map[string]string
	owner    *private.Owner // whom the server runs as; nil: as ourselves
	guard    *guard
	standby  string // its name as a standby; empty if it was never one
	disk     int64
	faketime string // the library that moves its clock; empty: it has the machine's

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has exited
}

// Start makes a data directory in the system's temporary directory and starts a
// server on it. On success the server accepts connections, and ends with Close
// or with this process, however that ends. It takes about two seconds. ctx
// bounds the start only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	binDir, err := cfg.BinDir, error(nil)
	if binDir == "" {
		if binDir, err = FindBinDir(); err != nil {
			return nil, err
		}
	}
	own, err := private.FindOwner("PostgreSQL", "postgres")
	if err != nil {
		return nil, err
	}
	s := &Server{binDir: binDir, owner: own, settings: cfg.Settings, disk: cfg.Disk, password: rand.Text()}
	if cfg.Clock {
		if s.faketime, err = findFaketime(); err != nil {
			return nil, err
		}
	}
	if err := s.create(ctx, s.initialise); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ForTest is Start for a test: failing to start fails the test, and the server is
// closed when the test has ended. A failed test prints the server's log.
func ForTest(t testing.TB, cfg Config) *Server {
	t.Helper()
	s, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("PostgreSQL's log ends with:\n%s", s.logTail())
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing the test server: %v", err)
		}
	})
	return s
}

// URL returns how to connect as superuser, password included, to the database
// postgres. It stays the same across restarts.
func (s *Server) URL() string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword("postgres", s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/postgres",
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Port returns the TCP port on 127.0.0.1. It stays the same across restarts.
func (s *Server) Port() int { return s.port }

// Close stops the server at once and removes what Start made. Calls after the
// first do nothing.
func (s *Server) Close() error {
	err := s.Stop(Immediate)
	if s.guard != nil {
		err = errors.Join(err, s.guard.close())
	}
	return err
}

// create does all the work of a start that leaves something behind. fill makes the
// data directory.
func (s *Server) create(ctx context.Context, fill func(context.Context) error) error {
	dir, err := os.MkdirTemp("", "leasehold-pg-")
	if err != nil {
		return err
	}
	s.dir = dir
	if s.guard, err = startGuard(dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.mount(); err != nil {
		return err
	}
	if err := fill(ctx); err != nil {
		return err
	}
	if s.faketime != "" {
		if err := s.Step(0); err != nil {
			return err
		}
	}
	// Somebody else may take the port between the choice and the start.
	for range 5 {
		if s.port, err = private.FreePort(); err != nil {
			return err
		}
		if err = s.Restart(ctx); err == nil || !strings.Contains(s.logTail(), "could not bind") {
			return err
		}
	}
	return err
}

// initialise runs initdb. The files are not flushed: nobody needs them after a
// crash of the machine. The running server does flush.
func (s *Server) initialise(ctx context.Context) error {
	secret := filepath.Join(s.dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := s.owner.Take(s.dir, secret); err != nil {
		return err
	}
	cmd := s.command(ctx, "initdb", "--pgdata", s.dataDir(), "--no-sync", "--username=postgres",
		"--auth=scram-sha-256", "--pwfile", secret, "--encoding=UTF8", "--locale=C")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return os.Remove(secret)
}

// Restart starts the server on its data, after Stop or Kill. A server that runs
// is stopped first. On success it accepts connections again, at the same URL.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(Fast); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	exited, err := s.spawn()
	if err != nil {
		return err
	}
	for !s.ready() {
		select {
		case <-exited:
			return fmt.Errorf("PostgreSQL did not start: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("waiting for PostgreSQL to start: %w: %s", context.Cause(ctx), s.logTail())
		case <-time.After(5 * time.Millisecond):
		}
	}
	return nil
}

func (s *Server) spawn() (<-chan struct{}, error) {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := s.command(context.Background(), "postgres", s.arguments()...)
	cmd.Env = append(cmd.Env, s.clockEnviron()...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // a killed server is no error
		close(exited)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cmd, s.exited = cmd, exited
	return exited, nil
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.dir,
		"max_connections":         "200",
		"fsync":                   "on",
		"synchronous_commit":      "on",
		// A standby looks for its primary often.
		"wal_retrieve_retry_interval": "100",
		// In the data directory: a killed server leaves nothing elsewhere.
		"dynamic_shared_memory_type": "mmap",
	}
	if len(s.dir) > 80 { // a socket's address has about 100 bytes
		settings["unix_socket_directories"] = ""
	}
	maps.Copy(settings, s.settings)
	args := []string{"-D", s.dataDir()}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", key+"="+settings[key])
	}
	return args
}

// ready reports whether the server accepts connections: it then writes so in
// the eighth line of its pid file. The first line tells its file from one that
// a crashed server left.
func (s *Server) ready() bool {
	pid, _ := s.running()
	b, err := os.ReadFile(s.pidFile())
	lines := strings.Split(string(b), "\n")
	return err == nil && len(lines) > 7 &&
		lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// command prepares a program of PostgreSQL, to be run as the server's owner, in
// a session of its own: a Ctrl-C on the terminal is for us to handle.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.find(program), args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "PGPASSWORD="+s.password, "PGOPTIONS=-c statement_timeout=0")
	cmd.SysProcAttr = s.owner.Detached()
	return cmd
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }
func (s *Server) pidFile() string { return filepath.Join(s.dir, "data", "postmaster.pid") }
func (s *Server) logFile() string { return filepath.Join(s.dir, "log") }

// logTail returns the end of the server's log, for error texts.
func (s *Server) logTail() string {
	const most = 4 << 10
	f, err := os.Open(s.logFile())
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
