package pgserver

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/internal/private"
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
	if _, err := os.Stat(s.process.Dir); !os.IsNotExist(err) {
		t.Fatalf("the directory is still there: %v", err)
	}
}

func TestServerEndsWithItsProcess(t *testing.T) {
	private.EndsWithItsProcess(t, func() *private.Process { return ForTest(t, Config{}).process })
}
