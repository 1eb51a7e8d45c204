package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
)

// TestMain lets the test program be the client processes too.
func TestMain(m *testing.M) {
	if be, err := asClient(); be {
		exit(err)
	}
	os.Exit(m.Run())
}

// TestSmoke is a minute of faults, half of it for each store.
func TestSmoke(t *testing.T) {
	o := options{
		duration: time.Minute, stores: []string{database.SQLite, database.Postgres},
		clients: 8, seed: rand.Uint64N(1 << 32), ttl: 1500 * time.Millisecond,
	}
	violations, err := run(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if violations > 0 {
		t.Errorf("%d violations with seed %d", violations, o.seed)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                   "",
		"-stores postgres -seed 7":           "",
		"-stores sqlite,oracle":              `there is no store "oracle"`,
		"-clients 1":                         "at least 2",
		"-duration 3s":                       "at least 6s for each store",
		"-duration 10s -stores sqlite extra": `what is "extra"?`,
		"-seed x":                            "invalid value",
	} {
		var out strings.Builder
		o, err := parse(strings.Fields(args), &out)
		if (err == nil) != (want == "") || !strings.Contains(fmt.Sprint(err), want) && want != "" {
			t.Errorf("faults %s: %v, want %q", args, err, want)
		}
		if err == nil && o.seed == 0 {
			t.Errorf("faults %s: no seed", args)
		}
		if err != nil && !strings.Contains(out.String(), want) {
			t.Errorf("faults %s: the reason is not printed: %s", args, &out)
		}
	}
}
