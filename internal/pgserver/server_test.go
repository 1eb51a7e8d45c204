package pgserver

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestLifeOfAServer(t *testing.T) {
	t.Parallel()
	s := ForTest(t, Config{Settings: map[string]string{"max_connections": "17"}})
	query := func(sql, want string) {
		t.Helper()
		got, err := s.Query(t.Context(), sql)
		if err != nil || got != want {
			t.Fatalf("%s: %q, %v; want %q", sql, got, err, want)
		}
	}
	query("show max_connections", "17")
	query("show fsync", "on")
	query("create table t (x int)", "")
	query("insert into t values (1)", "")

	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Query(t.Context(), "select 1"); err == nil {
		t.Fatal("a killed server answers")
	}
	if err := s.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	query("select x from t", "1")
	for _, mode := range []Mode{Fast, Immediate} {
		if err := s.Stop(mode); err != nil {
			t.Fatal(err)
		}
		if err := s.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		query("select x from t", "1")
	}
}

func TestFreezeAnswersNothingUntilThaw(t *testing.T) {
	t.Parallel()
	s := ForTest(t, Config{})
	if err := s.Freeze(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := s.Query(ctx, "select 1"); ctx.Err() == nil {
		t.Fatalf("a frozen server answered: %v", err)
	}
	if err := s.Thaw(); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Query(t.Context(), "select 1"); err != nil || got != "1" {
		t.Fatalf("after Thaw: %q, %v", got, err)
	}
}

func TestTerminateEndsSessions(t *testing.T) {
	t.Parallel()
	s := ForTest(t, Config{})
	ended := make(chan error, 1)
	go func() {
		_, err := s.Query(t.Context(), "select pg_sleep(600)")
		ended <- err
	}()
	for n := 0; n == 0; {
		var err error
		if n, err = s.Terminate(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-ended; err == nil {
		t.Fatal("the session was not ended")
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
	cmd := exec.Command(os.Args[0], "-test.run=^TestServerEndsWithItsProcess$")
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
