package measure

import (
	"context"
	"regexp"
	"slices"

	"github.com/leaseholdgo/leasehold/bench/internal/server"
)

// Family is measures that are taken together.
type Family struct {
	Store string   // of ours
	Names []string // of its measures; none: it serves the tables only
	Needs []server.Kind
	Take  func(ctx context.Context, e *Env) ([]Result, error)
}

// Families returns all families in the order in which they are taken. A quick run
// leaves out what only the tables need.
func Families(quick bool) []Family {
	return []Family{
		cycles(quick, 1, "cycle_g1"),
	}
}

// Choose returns the families of a store in the list with a measure that matches, and
// which servers they need.
func Choose(families []Family, stores []string, matches *regexp.Regexp) (chosen []Family, needs []server.Kind) {
	for _, f := range families {
		if !slices.Contains(stores, f.Store) || !slices.ContainsFunc(f.Names, matches.MatchString) {
			continue
		}
		chosen = append(chosen, f)
		for _, kind := range f.Needs {
			if !slices.Contains(needs, kind) {
				needs = append(needs, kind)
			}
		}
	}
	return chosen, needs
}
