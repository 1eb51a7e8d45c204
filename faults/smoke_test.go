package main

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test program be the client processes too.
func TestMain(m *testing.M) {
	if be, err := asClient(); be {
		exit(err)
	}
	os.Exit(m.Run())
}

// smoke is how long TestSmoke takes.
var smoke = flag.Duration("smoke", 36*time.Second, "how long the smoke test takes")

// TestSmoke is a short run over each store, with failovers.
func TestSmoke(t *testing.T) {
	var out strings.Builder
	o, err := parse([]string{"-duration", smoke.String(), "-scenes", "sqlite,server,async"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	violations, err := run(t.Context(), o, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if violations > 0 {
		t.Errorf("%d violations with seed %d", violations, o.seed)
	}
}

func TestPlanCutsLongRuns(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-duration", "1h", "-stores", "postgres", "-seed", "7"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	total, seeds := time.Duration(0), map[uint64]int{}
	for _, p := range o.plan() {
		if p.length > longestTrial || p.scene.store != "postgres" {
			t.Errorf("%s for %v", p.scene.name, p.length)
		}
		total += p.length
		seeds[p.seed]++
	}
	if total.Round(time.Second) != time.Hour || len(seeds) != 3 || seeds[7] != 5 {
		t.Errorf("%v in all, trials by seed: %v", total, seeds)
	}
}

func TestNemesesAreLeftOut(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-nemeses", "failover,clock", "-seed", "7"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, p := range o.plan() {
		got[p.scene.name] = join(p.scene.nemeses)
	}
	want := map[string]string{"server": "clock", "async": "failover", "sync": "failover", "clocks": "clock"}
	if !maps.Equal(got, want) {
		t.Errorf("planned %v; want %v", got, want)
	}
}

func TestCommandLine(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                                   "",
		"-stores postgres -seed 7":           "",
		"-stores sqlite,oracle":              `there is no store "oracle"`,
		"-clients 1":                         "at least 2",
		"-duration 3s":                       "at least 6s for each of 10 scenes",
		"-scenes sqlite,sync -nemeses kill":  "",
		"-scenes sea":                        `there is no scene "sea"`,
		"-nemeses kill,plague":               `there is no nemesis "plague"`,
		"-nemeses clock -stores sqlite":      "no scene is left",
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
