package mariadb

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/internal/private"
)

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
	process  *private.Process
	programs programs
	port     int
	password string
	settings map[string]string
}

var program = private.Program{Name: "MariaDB", Short: "mariadb", User: "mysql", End: private.KillByPidFile}

// Start makes a data directory in the system's temporary directory and starts a
// server on it. On success the server accepts connections, and ends with Close
// or with this process, however that ends. It takes about two seconds. ctx
// bounds the start only.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	found, err := find()
	if err != nil {
		return nil, err
	}
	process, err := program.Make()
	if err != nil {
		return nil, err
	}
	s := &Server{process: process, programs: found, settings: cfg.Settings, password: rand.Text()}
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
	s.process.CloseAfter(t, s.Close)
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
	return errors.Join(s.Kill(), s.process.Close())
}

// create makes the data directory and starts the server on it.
func (s *Server) create(ctx context.Context) error {
	if err := s.initialise(ctx); err != nil {
		return err
	}
	return s.process.OnFreePort("Can't start server: Bind", func(port int) error {
		s.port = port
		return s.Restart(ctx)
	})
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
	if err := s.process.Owner.Take(s.process.Dir, s.dataDir(), s.initFile()); err != nil {
		return err
	}
	cmd := s.process.Command(ctx, s.programs.install, "--no-defaults", "--datadir="+s.dataDir(), "--tmpdir="+s.process.Dir, "--skip-test-db", "--skip-name-resolve")
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
	return s.process.Run(ctx, s.process.Command(context.Background(), s.programs.server, s.arguments()...), s.ready)
}

func (s *Server) arguments() []string {
	settings := map[string]string{
		"datadir":                        s.dataDir(),
		"tmpdir":                         s.process.Dir,
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

// ready reports whether the server greets us.
func (s *Server) ready(ctx context.Context, pid int) bool {
	if !s.process.HasWritten(pid) {
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

func (s *Server) dataDir() string  { return filepath.Join(s.process.Dir, "data") }
func (s *Server) pidFile() string  { return filepath.Join(s.process.Dir, "pid") }
func (s *Server) initFile() string { return filepath.Join(s.process.Dir, "init.sql") }
