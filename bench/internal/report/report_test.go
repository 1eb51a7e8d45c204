package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/measure"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
)

func sample() *Report {
	r := &Report{Made: time.Unix(1_700_000_000, 0), Commit: "abc", Findings: &measure.Findings{
		Throughput: []measure.Throughput{
			{Side: side.Leasehold, Goroutines: 1, Median: 900}, {Side: side.Leasehold, Goroutines: 512, Median: 60_000},
			{Side: "floor 1", Goroutines: 1, Floor: 1, Median: 1_000}, {Side: "floor 64", Goroutines: 512, Floor: 64, Median: 8_765},
		},
		Handovers: map[string][]float64{side.Leasehold: {300, 400, 500}, measure.NotifyFloor: {250, 350}},
		Hot:       []measure.Hot{{Side: side.Leasehold, Plan: measure.Plan{Before: time.Second, Open: time.Second}, Rates: []float64{900, 800, 100, 90}}},
		Holding:   []measure.Holding{{Side: side.Leasehold, Locks: 10, Statements: 1, Took: 0.7}},
		Waiting:   []measure.Waiting{{Crowd: "bare", Waiters: 10_000, Heap: 1_000, Stacks: 2_048}},
	}}
	for _, g := range goals {
		r.Results = append(r.Results, measure.Result{Name: g.name, Ours: 2, Floor: 1, Ratio: 2, Low: 1.5, High: 2.5, Unit: "units"})
	}
	return r
}

// TestDocumentCanBeMadeAgain from the figures that are kept beside it, with other prose.
func TestDocumentCanBeMadeAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := sample().Write(dir, "First words."); err != nil {
		t.Fatal(err)
	}
	again, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	first := read(t, dir, "benchmarks.md")
	if err := again.Write(dir, "Other words."); err != nil {
		t.Fatal(err)
	}
	if got, want := read(t, dir, "benchmarks.md"), strings.Replace(first, "First", "Other", 1); got != want || got == first {
		t.Errorf("the document is not the same but for the prose:\n%s", got)
	}
	for _, wrong := range []string{"NaN", "<no value>", "%!"} {
		if strings.Contains(first, wrong) {
			t.Errorf("the document has %s in it", wrong)
		}
	}
	for _, right := range []string{"8,765 (64)", "| `cycle_g512` |", "First words."} {
		if !strings.Contains(first, right) {
			t.Errorf("the document lacks %s", right)
		}
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEveryMeasureHasAGoal, or at least a row.
func TestEveryMeasureHasAGoal(t *testing.T) {
	t.Parallel()
	listed := map[string]bool{}
	for _, g := range goals {
		listed[g.name] = true
	}
	for _, f := range measure.Families(false) {
		for _, name := range f.Names {
			if !listed[name] {
				t.Errorf("the table of measures lacks %s", name)
			}
		}
	}
}

func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		goal        goal
		ours, ratio float64
		want        string
	}{
		{goal{least: 0.9}, 0, 0.9, "yes"},
		{goal{least: 0.9}, 100, 0.89, "**no**"},
		{goal{most: 1.3}, 100, 1.3, "yes"},
		{goal{most: 1.3}, 0, 1.31, "**no**"},
		{goal{most: 3, byValue: true}, 3, 99, "yes"},
		{goal{most: 3, byValue: true}, 4, 0, "**no**"},
		{goal{}, 4, 0, ""},
	} {
		if got := test.goal.verdict(measure.Result{Ours: test.ours, Ratio: test.ratio}); got != test.want {
			t.Errorf("%+v, ours %v, ratio %v: %q, not %q", test.goal, test.ours, test.ratio, got, test.want)
		}
	}
}
