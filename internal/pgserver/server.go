package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/internal/private"
)

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
	process  *private.Process
	binDir   string
	port     int
	password string
	settings map[string]string
	standby  string // its name as a standby; empty if it was never one
	disk     int64
	faketime string // the library that moves its clock; empty: it has the machine's
}

var program = private.Program{Name: "PostgreSQL", Short: "pg", User: "postgres", End: `
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
	kill -CONT "$pid" 2>/dev/null
	kill -QUIT "$pid" 2>/dev/null
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.2
	done
	kill -KILL "$pid" 2>/dev/null
fi
if grep -q " $1/data " /proc/mounts 2>/dev/null; then
	umount "$1/data" || umount -l "$1/data"
fi
`}

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
	s := &Server{binDir: binDir, settings: cfg.Settings, disk: cfg.Disk, password: rand.Text()}
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
	s.process.CloseAfter(t, s.Close)
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
	if s.process == nil {
		return nil
	}
	return errors.Join(s.Stop(Immediate), s.process.Close())
}

// create does all the work of a start that leaves something behind. fill makes the
// data directory.
func (s *Server) create(ctx context.Context, fill func(context.Context) error) error {
	var err error
	if s.process, err = program.Make(); err != nil {
		return err
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
	return s.process.OnFreePort("could not bind", func(port int) error {
		s.port = port
		return s.Restart(ctx)
	})
}

// initialise runs initdb. The files are not flushed: nobody needs them after a
// crash of the machine. The running server does flush.
func (s *Server) initialise(ctx context.Context) error {
	secret := filepath.Join(s.process.Dir, "password")
	if err := os.WriteFile(secret, []byte(s.password), 0o600); err != nil {
		return err
	}
	if err := s.process.Owner.Take(s.process.Dir, secret); err != nil {
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
	cmd := s.command(context.Background(), "postgres", s.arguments()...)
	cmd.Env = append(cmd.Env, s.clockEnviron()...)
	return s.process.Run(ctx, cmd, s.ready)
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": s.process.Dir,
		"max_connections":         "200",
		"fsync":                   "on",
		"synchronous_commit":      "on",
		// A standby looks for its primary often.
		"wal_retrieve_retry_interval": "100",
		// In the data directory: a killed server leaves nothing elsewhere.
		"dynamic_shared_memory_type": "mmap",
	}
	if len(s.process.Dir) > 80 { // a socket's address has about 100 bytes
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
func (s *Server) ready(_ context.Context, pid int) bool {
	b, err := os.ReadFile(s.pidFile())
	lines := strings.Split(string(b), "\n")
	return err == nil && len(lines) > 7 &&
		lines[0] == strconv.Itoa(pid) && strings.TrimSpace(lines[7]) == "ready"
}

// command prepares a program of PostgreSQL.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := s.process.Command(ctx, s.find(program), args...)
	cmd.Env = append(cmd.Env, "PGPASSWORD="+s.password, "PGOPTIONS=-c statement_timeout=0")
	return cmd
}

func (s *Server) dataDir() string { return filepath.Join(s.process.Dir, "data") }
func (s *Server) pidFile() string { return filepath.Join(s.process.Dir, "data", "postmaster.pid") }
