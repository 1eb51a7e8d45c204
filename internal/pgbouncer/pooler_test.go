package pgbouncer

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
	"github.com/leaseholdgo/leasehold/internal/private"
)

// backends runs two transactions on one connection and returns the server processes
// that they were on.
func backends(t *testing.T, url string) []string {
	t.Helper()
	dir, err := pgserver.FindBinDir()
	if err != nil {
		t.Fatal(err)
	}
	const sql = "SELECT pg_backend_pid()"
	out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "psql"), "-XAtq", "-c", sql, "-c", sql, url).CombinedOutput()
	fields := strings.Fields(string(out))
	if err != nil || len(fields) != 2 {
		t.Fatalf("psql: %v: %s", err, out)
	}
	return fields
}

func TestLifeOfAPooler(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	for _, mode := range []Mode{Session, Transaction, Statement} {
		p, err := Start(context.Background(), Config{Server: server.URL(), Mode: mode})
		if err != nil {
			t.Fatal(err)
		}
		if pids := backends(t, p.URL()); mode == Session && pids[0] != pids[1] {
			t.Errorf("in session mode a client had two server processes: %v", pids)
		}
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		u, _ := url.Parse(p.URL())
		if conn, err := net.Dial("tcp", u.Host); err == nil {
			_ = conn.Close()
			t.Error("a closed pooler accepts connections")
		}
		if _, err := os.Stat(p.process.Dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the pooler's directory was left: %v", err)
		}
	}
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	if _, err := Start(t.Context(), Config{Server: "postgres://nobody"}); err == nil {
		t.Error("a URL without user and port was taken")
	}
}

func TestPoolerEndsWithItsProcess(t *testing.T) {
	private.EndsWithItsProcess(t, func() *private.Process {
		return ForTest(t, Config{Server: "postgres://nobody@127.0.0.1:1", Mode: Session}).process
	})
}
