package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/measure"
)

// TestMain lets the test's own program be the other process of a hand-over.
func TestMain(m *testing.M) {
	if played, err := fleet.Play(context.Background(), os.Args, measure.Roles()); played {
		exit(err)
	}
	os.Exit(m.Run())
}

// TestBriefRun takes three measures in one round each, on real servers.
func TestBriefRun(t *testing.T) {
	t.Parallel()
	o, err := parse([]string{"-quick", "-json", "-rounds", "1", "-run", "^(cycle_g1|handover_p50|sqlite_g1)$"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), o, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(out.String()) {
		names = append(names, checkResult(t, line))
	}
	if want := []string{"cycle_g1", "handover_p50", "sqlite_g1"}; !slices.Equal(names, want) {
		t.Errorf("measures %v, not %v", names, want)
	}
}

// checkResult checks one line of JSON and returns the measure's name.
func checkResult(t *testing.T, line string) string {
	t.Helper()
	var r map[string]any
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	number := func(key string) float64 {
		n, ok := r[key].(float64)
		if !ok || n <= 0 {
			t.Errorf("%s: %s is no figure", line, key)
		}
		return n
	}
	// One round's ratio is that of the figures.
	if ratio := number("ours") / number("floor"); math.Abs(ratio/number("ratio")-1) > 1e-9 {
		t.Errorf("%s: the ratio is %v", line, ratio)
	}
	if unit, ok := r["unit"].(string); !ok || unit == "" {
		t.Errorf("%s: no unit", line)
	}
	return fmt.Sprint(r["name"])
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"-nonsense", "cycle_g1", "-run (", "-out docs -quick", "-out docs -run cycle", "-out docs -stores sqlite", "-render"} {
		if _, err := parse(strings.Fields(bad), io.Discard); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	o, err := parse([]string{"-run", "^cycle_g512$", "-stores", "postgres"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	families, needs := measure.Choose(measure.Families(true), o.stores, o.run)
	if len(families) != 1 || len(needs) != 2 {
		t.Errorf("%d families, servers %v", len(families), needs)
	}
	if err := run(t.Context(), options{stores: []string{"none"}, run: o.run}, io.Discard, io.Discard); err == nil {
		t.Error("no measure was chosen, and nothing said so")
	}
}

func TestMeasuresHaveOneFamilyEach(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, f := range measure.Families(false) {
		for _, name := range f.Names {
			if seen[name] {
				t.Errorf("%s is taken twice", name)
			}
			seen[name] = true
		}
	}
	for _, f := range measure.Families(true) {
		for _, name := range f.Names {
			if !seen[name] {
				t.Errorf("%s is in quick runs only", name)
			}
		}
	}
}
