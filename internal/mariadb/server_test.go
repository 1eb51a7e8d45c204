package mariadb

import (
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// greets reports whether the server greets who dials it within the time.
func greets(s *Server, within time.Duration) bool {
	conn, err := net.DialTimeout("tcp", s.address(), within)
	if err != nil {
		return false
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(within))
	_, err = io.ReadFull(conn, make([]byte, 5))
	return err == nil
}

func TestLifeOfAServer(t *testing.T) {
	t.Parallel()
	s := ForTest(t, Config{Settings: map[string]string{"max-connections": "17"}})
	url := s.URL()
	if !greets(s, 10*time.Second) {
		t.Fatal("a server that was started does not greet us")
	}
	for name, end := range map[string]func() error{"killed": s.Kill, "stopped": s.Stop} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
		if greets(s, time.Second) {
			t.Fatalf("a %s server greets us", name)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !greets(s, 10*time.Second) {
			t.Fatalf("a server that was %s and started again does not greet us", name)
		}
	}
	if s.URL() != url {
		t.Errorf("the URL changed from %s to %s", url, s.URL())
	}
}

func TestFreezeAnswersNothingUntilThaw(t *testing.T) {
	t.Parallel()
	s := ForTest(t, Config{})
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	if greets(s, 300*time.Millisecond) {
		t.Fatal("a frozen server greets us")
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if !greets(s, 10*time.Second) {
		t.Fatal("a server does not greet us after Thaw")
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(s.process.Dir); !os.IsNotExist(err) {
		t.Fatalf("the directory is still there: %v", err)
	}
}

func TestServerEndsWithItsProcess(t *testing.T) {
	private.EndsWithItsProcess(t, func() *private.Process { return ForTest(t, Config{}).process })
}
