package client

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// drawn returns a worker that draws from the names of modes.
func drawn(names []string) *worker {
	p := &process{cfg: Config{TTL: 1500 * time.Millisecond}}
	return &worker{session: &session{process: p}, names: names, r: rand.New(rand.NewPCG(1, 2))}
}

func TestTermsOfNames(t *testing.T) {
	t.Parallel()
	w := drawn(Modes())
	seen := map[string]map[history.Mode]int{}
	for range 300 {
		for _, name := range append(Modes(), "hot/a", "private/1") {
			terms, options := w.terms(name)
			if seen[name] == nil {
				seen[name] = map[history.Mode]int{}
			}
			seen[name][terms.Mode]++
			if (terms == history.Terms{}) != (len(options) == 0) {
				t.Fatalf("%s: %v with %d options", name, terms, len(options))
			}
			switch way(name) {
			case permits:
				if terms.Permits != limit(name) || terms.Permits < 2 || Whole([]string{name})[name].Times != terms.Permits {
					t.Errorf("%s: %v", name, terms)
				}
			case kept:
				if terms.MinHold < 15*time.Millisecond || terms.MinHold > 500*time.Millisecond {
					t.Errorf("%s: %v", name, terms)
				}
			case fixed:
				if terms.TTL != 750*time.Millisecond {
					t.Errorf("%s: %v", name, terms)
				}
			}
		}
	}
	if s := seen["shared/a"]; s[history.Shared] < 150 || s[history.Exclusive] < 50 {
		t.Errorf("readers and writers: %v", s)
	}
	if len(seen["hot/a"]) != 1 || len(seen["together/a"]) != 1 {
		t.Errorf("names held alone: %v", seen)
	}
}

func TestSeveral(t *testing.T) {
	t.Parallel()
	w := drawn(Modes())
	counts, first := map[int]int{}, map[string]int{}
	for range 300 {
		names := w.several()
		counts[len(names)]++
		first[names[0]]++
		slices.Sort(names)
		if len(slices.Compact(slices.Clone(names))) != len(names) || way(names[0]) != together || way(names[len(names)-1]) != together {
			t.Fatalf("drew %v", names)
		}
	}
	if len(counts) != 2 || counts[2] < 100 || counts[3] < 100 || len(first) != 3 {
		t.Errorf("drew so many at a time: %v; first: %v", counts, first)
	}
}

// TestPick: every name is drawn, some more often.
func TestPick(t *testing.T) {
	t.Parallel()
	r, drawn := rand.New(rand.NewPCG(1, 2)), map[string]int{}
	for range 3000 {
		drawn[pick(r, Modes())]++
	}
	for _, name := range Modes() {
		if drawn[name] < 50 {
			t.Errorf("%s was drawn %d times of 3000", name, drawn[name])
		}
	}
	if drawn["shared/a"] < 3*drawn["kept/a"] {
		t.Errorf("drawn: %v", drawn)
	}
}
