package server

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
)

// TestServersLeaveNothing starts those that are not tested elsewhere and finds their
// ports and directories gone after Close.
func TestServersLeaveNothing(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Redis, Etcd)
	if err != nil {
		t.Fatal(err)
	}
	if s.Postgres != nil {
		t.Error("a server was started that nobody asked for")
	}
	for _, p := range []*Private{s.Redis, s.Etcd} {
		if err := dial(p.Addr); err != nil {
			t.Errorf("%s: %v", p.program, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Private{s.Redis, s.Etcd} {
		if dial(p.Addr) == nil {
			t.Errorf("%s still listens", p.program)
		}
		if _, err := os.Stat(p.dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there: %v", p.dir, err)
		}
	}
}

func dial(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// TestServerThatDoesNotStart says why.
func TestServerThatDoesNotStart(t *testing.T) {
	t.Parallel()
	p, err := startPrivate("redis-server", "127.0.0.1:1", func(string) []string { return []string{"--nonsense"} })
	if err != nil {
		t.Fatal(err)
	}
	err = p.await(t.Context(), func() error { return errors.New("nobody answers") })
	if err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("the error does not say why: %v", err)
	}
	if _, err := os.Stat(p.dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its directory: %v", err)
	}
}

func TestMissingServersAreNamed(t *testing.T) {
	t.Setenv("PATH", "")
	_, err := Start(t.Context(), Redis, Etcd)
	if err == nil || !strings.Contains(err.Error(), "redis-server") || !strings.Contains(err.Error(), "etcd-server") {
		t.Errorf("nothing is installed, and the error is %v", err)
	}
}
