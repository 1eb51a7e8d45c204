package measure

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
)

// TestMain lets the test's own program be the other processes.
func TestMain(m *testing.M) {
	if played, err := fleet.Play(context.Background(), os.Args, Roles()); played {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func testEnv(t *testing.T) *Env {
	t.Helper()
	servers, err := server.Start(t.Context(), server.Postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := servers.Close(); err != nil {
			t.Error(err)
		}
	})
	return &Env{Servers: servers, Quick: true, Found: new(Findings)}
}

// TestProcessesHandOver, in two shifts: nothing of the first one is in the second.
func TestProcessesHandOver(t *testing.T) {
	t.Parallel()
	const processes = 3
	e := testEnv(t)
	relay, err := e.launchOn(t.Context(), "relay", processes, launchRelay)
	if err != nil {
		t.Fatal(err)
	}
	contenders, err := e.launchOn(t.Context(), "contenders", processes, launchContenders)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		shares := sharesOf(t, relay)
		// One baton, passed in order: nobody is ahead by more than one.
		if slices.Max(shares)-slices.Min(shares) > 1 {
			t.Errorf("the baton came %v times", shares)
		}
		if shares := sharesOf(t, contenders); slices.Min(shares) == 0 {
			t.Errorf("the lock was had %v times", shares)
		}
	}
	for _, f := range []fleet.Fleet{relay, contenders} {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

func sharesOf(t *testing.T, f fleet.Fleet) []float64 {
	t.Helper()
	counts, err := shiftOf(f, 400*time.Millisecond, 100*time.Millisecond, func(int) string { return "hot" })
	if err != nil {
		t.Fatal(err)
	}
	var shares []float64
	for _, c := range counts {
		if len(c) != 4 {
			t.Fatalf("%d slices", len(c))
		}
		shares = append(shares, sum(c))
	}
	return shares
}
