package pgbouncer

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os/exec"
	"strconv"
	"testing"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// Mode is for how long a client of the pooler has a server process to itself.
type Mode string

const (
	Session     Mode = "session"     // until it disconnects
	Transaction Mode = "transaction" // for one transaction
	Statement   Mode = "statement"   // for one statement
)

// Config says how a pooler differs from the default one.
type Config struct {
	// Server is the URL of the server before which it stands, with user and
	// password: the pooler's own users are that one alone. Required.
	Server string
	// Mode is required.
	Mode Mode
	// Size is how many connections to the server it makes for a database.
	// Default 20.
	Size int
	// Settings are added to the section [pgbouncer] of its configuration.
	Settings map[string]string
}

// Pooler is one pgbouncer. It is safe for concurrent use.
type Pooler struct {
	cfg     Config
	process *private.Process
	port    int
}

var kind = private.Program{Name: "pgbouncer", Short: "pgbouncer", User: "postgres", End: private.KillByPidFile}

// ErrNotInstalled is returned where there is no pgbouncer.
var ErrNotInstalled = errors.New("pgbouncer is not installed (Debian and Ubuntu: apt-get install pgbouncer)")

// Find returns the path of the program: in the PATH, or where Debian installs it,
// which is not in the PATH of every user.
func Find() (string, error) {
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}

// Start starts a pooler. On success it accepts connections, and ends with Close or
// with this process, however that ends. ctx bounds the start only.
func Start(ctx context.Context, cfg Config) (*Pooler, error) {
	program, err := Find()
	if err != nil {
		return nil, err
	}
	server, err := url.Parse(cfg.Server)
	if err != nil || server.User == nil || server.Port() == "" {
		return nil, errors.New("pgbouncer: the server's URL lacks a user or a port")
	}
	p := &Pooler{cfg: cfg}
	if p.process, err = kind.Make(); err != nil {
		return nil, err
	}
	err = p.process.OnFreePort("Address already in use", func(port int) error {
		p.port = port
		return p.start(ctx, program, server)
	})
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// ForTest is Start for a test: failing to start fails the test, and the pooler is
// closed when the test has ended.
func ForTest(t testing.TB, cfg Config) *Pooler {
	t.Helper()
	p, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	p.process.CloseAfter(t, p.Close)
	return p
}

// URL returns the server's URL as it is through the pooler.
func (p *Pooler) URL() string {
	u, err := url.Parse(p.cfg.Server)
	if err != nil {
		panic("pgbouncer: " + err.Error()) // Start has parsed it
	}
	u.Host = p.address()
	return u.String()
}

func (p *Pooler) address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)) }

// Close ends the pooler, with the connections through it, and removes what Start
// made. Calls after the first do nothing.
func (p *Pooler) Close() error {
	return errors.Join(p.process.Kill(private.Kill.Send), p.process.Close())
}

func (p *Pooler) start(ctx context.Context, program string, server *url.URL) error {
	if err := p.writeFiles(server); err != nil {
		return err
	}
	return p.process.Run(ctx, p.process.Command(context.Background(), program, p.configFile()), p.ready)
}

// ready reports whether the pooler accepts connections.
func (p *Pooler) ready(ctx context.Context, pid int) bool {
	if !p.process.HasWritten(pid) {
		return false
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", p.address())
	return err == nil && conn.Close() == nil
}
