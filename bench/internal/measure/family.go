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
	Names []string // of its measures
	Needs []server.Kind
	// Counts says that the measures are counts and sizes: what else the machine
	// does changes no result.
	Counts bool
	Take   func(e *Env, ctx context.Context) ([]Result, error)
}

// Families returns all families in the order in which they are taken. A quick run
// leaves out what only the tables and plots need.
func Families(quick bool) []Family {
	families := []Family{
		cycles(quick, 1, "cycle_g1"),
		cycles(quick, 32, "cycle_g32"),
		cycles(quick, 512, "cycle_g512", "cycle_g512_vs_redsync"),
		handovers(quick),
		contended8(),
		contended4x4(),
		contendedSnapshot(),
		sqliteCycles(),
		sessionCycles(8),
		sessionCycles(512),
		mysqlCycles(1),
		mysqlCycles(64),
		holding(quick),
		waiting(),
	}
	if !quick {
		families = append(families, cycles(quick, 8, "cycle_g8"), cycles(quick, 128, "cycle_g128"))
	}
	return families
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
