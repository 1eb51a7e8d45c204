package main

import (
	"cmp"
	"fmt"
	"runtime/debug"
	"strings"
)

// heading is above the lines that docs/faults.md can take over.
const heading = `| store, scene | nemeses | clients | seconds | operations | grants | faults | violations | seed | commit | SHA-256 of the history |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
`

// line is one row of that table.
func (r result) line() string {
	return fmt.Sprintf("| %s | %s | %d | %.0f | %d | %d | %d | %d | %d | %s | %s |\n",
		r.Store, strings.Join(r.scene.nemeses, " "), r.Clients, r.Worked.Seconds(), r.Summary.Operations, r.Summary.Grants,
		r.faults(), len(r.Violations), r.Seed, commit(), r.sum)
}

// faults returns how many faults there were.
func (r result) faults() int {
	n := 0
	for _, count := range r.Summary.Faults {
		n += count
	}
	return n
}

// commit returns what this program was built from, with a + if that was changed
// since the commit.
func commit() string {
	info, _ := debug.ReadBuildInfo()
	if info == nil {
		return "unknown"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	id := cmp.Or(settings["vcs.revision"], "unknown")
	if settings["vcs.modified"] == "true" {
		return id[:min(12, len(id))] + "+"
	}
	return id[:min(12, len(id))]
}

// sum is of all trials.
type sum struct {
	operations, faults, violations int
	broken                         []string // the violations, for the end of the output
}

func (s *sum) add(r result) {
	s.operations += r.Summary.Operations
	s.faults += r.faults()
	s.violations += len(r.Violations)
	for _, v := range r.Violations[:min(5, len(r.Violations))] {
		s.broken = append(s.broken, fmt.Sprintf("%s, seed %d: %v\n", r.Store, r.Seed, v))
	}
}

// enough returns an error if too little happened to mean anything.
func (s *sum) enough(o options) error {
	if s.operations < o.operations || s.faults < o.faults {
		return fmt.Errorf("%d operations and %d faults are too few: want %d and %d", s.operations, s.faults, o.operations, o.faults)
	}
	return nil
}
