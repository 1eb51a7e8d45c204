package mariadb

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

// database is made with the server, empty.
const database = "leasehold"

// Config says how a server differs from the default one. The zero Config is
// ready for use.
type Config struct {
	// Settings are added to the server's configuration, over our own: 300
	// connections, every commit flushed, no binary log, 127.0.0.1 only.
	Settings map[string]string
}

// Server is one MariaDB instance. It is safe for concurrent use, except that calls
// that start and stop it are made one after the other.
type Server struct {
	programs programs
	dir      string // holds everything of this server; removed by Close
	port     int
	password string
	settings map[string]string
	owner    *private.Owner // whom the server runs as; nil: as ourselves
	guard    *guard

	mu     sync.Mutex // guards the fields below
	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd has exited
}

// Start makes a data directory in the system's temporary directory and starts a
// server on it. On success the server accepts connections, and ends with Close
// or with this process, however that ends. It takes about two seconds. ctx
// bounds the start only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	found, err := find()
	if err != nil {
		return nil, err
	}
	own, err := private.FindOwner("MariaDB", "mysql")
	if err != nil {
		return nil, err
	}
	s := &Server{programs: found, owner: own, settings: cfg.Settings, password: rand.Text()}
	if err := s.create(ctx); err != nil {
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
			t.Logf("MariaDB's log ends with:\n%s", s.logTail())
		}
		if err := s.Close(); err != nil {
			t.Errorf("closing the test server: %v", err)
		}
	})
	return s
}

// URL returns how to connect as a user with all privileges, password included, to an
// empty database. It stays the same across restarts.
func (s *Server) URL() string {
	u := url.URL{
		Scheme: "mysql",
		User:   url.UserPassword("leasehold", s.password),
		Host:   s.address(),
		Path:   "/" + database,
	}
	return u.String()
}

func (s *Server) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Close kills the server and removes what Start made. Calls after the first do
// nothing.
func (s *Server) Close() error {
	err := s.Kill()
	if s.guard != nil {
		err = errors.Join(err, s.guard.close())
	}
	return err
}

// create does all the work of a start that leaves something behind.
func (s *Server) create(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "leasehold-mariadb-")
	if err != nil {
		return err
	}
	s.dir = dir
	if s.guard, err = startGuard(dir); err != nil {
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err := s.initialise(ctx); err != nil {
		return err
	}
	// Somebody else may take the port between the choice and the start.
	for range 5 {
		if s.port, err = private.FreePort(); err != nil {
			return err
		}
		if err = s.Restart(ctx); err == nil || !strings.Contains(s.logTail(), "Can't start server: Bind") {
			return err
		}
	}
	return err
}

// initialise fills the data directory, and writes the statements that make our user,
// which the server runs whenever it starts.
func (s *Server) initialise(ctx context.Context) error {
	statements := "CREATE DATABASE IF NOT EXISTS " + database + ";\n" +
		"CREATE USER IF NOT EXISTS leasehold@'%' IDENTIFIED BY '" + s.password + "';\n" +
		"GRANT ALL ON *.* TO leasehold@'%' WITH GRANT OPTION;\n"
	if err := os.WriteFile(s.initFile(), []byte(statements), 0o600); err != nil {
		return err
	}
	if err := os.Mkdir(s.dataDir(), 0o700); err != nil {
		return err
	}
	if err := s.owner.Take(s.dir, s.dataDir(), s.initFile()); err != nil {
		return err
	}
	cmd := s.command(ctx, s.programs.install, "--no-defaults", "--datadir="+s.dataDir(), "--tmpdir="+s.dir, "--skip-test-db", "--skip-name-resolve")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	return nil
}

// Restart starts the server on its data, after Stop or Kill. A server that runs is
// stopped first. On success it accepts connections again, at the same URL.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.Stop(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	exited, err := s.spawn()
	if err != nil {
		return err
	}
	for !s.ready(ctx) {
		select {
		case <-exited:
			return fmt.Errorf("MariaDB did not start: %s", s.logTail())
		case <-ctx.Done():
			return fmt.Errorf("waiting for MariaDB to start: %w: %s", context.Cause(ctx), s.logTail())
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
	cmd := s.command(context.Background(), s.programs.server, s.arguments()...)
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
		"datadir":                        s.dataDir(),
		"tmpdir":                         s.dir,
		"pid-file":                       s.pidFile(),
		"socket":                         "s", // in the data directory: an address has about 100 bytes
		"init-file":                      s.initFile(),
		"bind-address":                   "127.0.0.1",
		"port":                           strconv.Itoa(s.port),
		"skip-name-resolve":              "ON",
		"max-connections":                "300",
		"innodb-flush-log-at-trx-commit": "1",
		"innodb-buffer-pool-size":        "128M",
	}
	maps.Copy(settings, s.settings)
	args := []string{"--no-defaults"}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "--"+key+"="+settings[key])
	}
	return args
}

// ready reports whether the server greets us. Its pid file tells it from another
// server on the port.
func (s *Server) ready(ctx context.Context) bool {
	pid, _ := s.running()
	written, err := os.ReadFile(s.pidFile())
	if err != nil || strings.TrimSpace(string(written)) != strconv.Itoa(pid) {
		return false
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", s.address())
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	const protocol = 10 // after the four bytes of a packet's header
	var greeting [5]byte
	_, err = io.ReadFull(conn, greeting[:])
	return err == nil && greeting[4] == protocol
}

// command prepares a program, to be run as the server's owner, in a session of its own:
// a Ctrl-C on the terminal is for us to handle.
func (s *Server) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.SysProcAttr = s.owner.Detached()
	return cmd
}

func (s *Server) dataDir() string  { return filepath.Join(s.dir, "data") }
func (s *Server) pidFile() string  { return filepath.Join(s.dir, "pid") }
func (s *Server) initFile() string { return filepath.Join(s.dir, "init.sql") }
func (s *Server) logFile() string  { return filepath.Join(s.dir, "log") }

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
