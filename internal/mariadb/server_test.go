package mariadb

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
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
	if _, err := os.Stat(s.dir); !os.IsNotExist(err) {
		t.Fatalf("the directory is still there: %v", err)
	}
}

// TestServerEndsWithItsProcess runs this test binary as a child that starts a
// server and is then killed.
func TestServerEndsWithItsProcess(t *testing.T) {
	const variable = "LEASEHOLD_TEST_ORPHAN"
	if os.Getenv(variable) != "" {
		s := ForTest(t, Config{})
		os.Stdout.WriteString(s.dir + "\n")
		select {}
	}
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestServerEndsWithItsProcess$")
	cmd.Env = append(os.Environ(), variable+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, _ := out.Read(buf)
	dir := strings.TrimSpace(string(buf[:n]))
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("the child started no server: %s", buf[:n])
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	deadline := time.Now().Add(20 * time.Second)
	for {
		if _, err := os.Stat(dir); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%q is still there", dir)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
