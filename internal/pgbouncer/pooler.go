package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

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
	cfg   Config
	dir   string // holds everything of this pooler; the process removes it
	port  int
	cmd   *exec.Cmd
	input io.Closer     // whose end ends the process
	done  chan struct{} // closed when cmd has exited
	err   error         // of its end; valid when done is closed
}

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

// startTimeout bounds the time until a pooler accepts connections.
const startTimeout = 20 * time.Second

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
	// Somebody else may take the port between the choice and the start.
	for range 5 {
		p := &Pooler{cfg: cfg, done: make(chan struct{})}
		if err = p.start(ctx, program, server); err == nil {
			return p, nil
		}
		if err = errors.Join(err, p.Close()); !strings.Contains(err.Error(), "Address already in use") {
			return nil, err
		}
	}
	return nil, err
}

// ForTest is Start for a test: failing to start fails the test, and the pooler is
// closed when the test has ended.
func ForTest(t testing.TB, cfg Config) *Pooler {
	t.Helper()
	p, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
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
	if p.cmd == nil {
		return nil
	}
	_ = p.input.Close()
	<-p.done
	return p.err
}

// script runs the pooler until standard input ends, which it does however the process
// ends that holds its other side. Then, or when the pooler ends by itself, it cleans
// up.
const script = `
trap '' INT TERM HUP
"$1" -q "$2/pgbouncer.ini" 2>"$2/log" &
pid=$!
while read -r _; do :; done
kill "$pid" 2>/dev/null
wait "$pid"
rm -rf "$2"
`

func (p *Pooler) start(ctx context.Context, program string, server *url.URL) error {
	own, err := private.FindOwner("pgbouncer", "postgres")
	if err != nil {
		return err
	}
	if p.port, err = private.FreePort(); err != nil {
		return err
	}
	if p.dir, err = os.MkdirTemp("", "leasehold-pgbouncer-"); err != nil {
		return err
	}
	if err := p.writeFiles(server, own); err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	cmd := exec.Command("sh", "-c", script, "pooler", program, p.dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = own.Detached()
	if p.input, err = cmd.StdinPipe(); err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(p.dir))
	}
	p.cmd = cmd
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p.awaitReady(ctx)
}

// awaitReady waits until the pooler accepts connections.
func (p *Pooler) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", p.address())
		if err == nil {
			return conn.Close()
		}
		log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		if strings.Contains(string(log), "FATAL") {
			return fmt.Errorf("pgbouncer did not start: %s", log)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for pgbouncer: %w: %s", context.Cause(ctx), log)
		case <-time.After(5 * time.Millisecond):
		}
	}
}
