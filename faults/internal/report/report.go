// Package report puts the result of a trial into a table for people.
package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Result is everything that is to be said of one trial.
type Result struct {
	Store      string
	Seed       uint64
	Clients    int
	TTL        time.Duration
	Worked     time.Duration // how long the clients worked under faults
	Directory  string        // of the histories
	Summary    Summary
	Violations []check.Violation
}

// Summary counts what happened.
type Summary struct {
	Operations int // acquisitions asked for, releases, revocations, increments and looks
	Grants     int
	Refusals   int
	Losses     map[string]int // by cause
	Increments map[history.Kind]int
	Looks      int            // guarded, of readers
	Resolved   int            // unknown increments that the ledger has
	Faults     map[string]int // by kind
	Orphans    int
	Revoked    int // locks that were marked for somebody else
	Measures   check.Measures
}

// Summarise counts the events of a history.
func Summarise(events []history.Event, remains check.Remains) Summary {
	s := Summary{
		Losses: map[string]int{}, Increments: map[history.Kind]int{}, Faults: map[string]int{},
		Orphans: check.Orphans(events, remains), Measures: check.Measure(events),
	}
	outcomes := map[string]history.Kind{}
	for _, e := range events {
		switch e.Kind {
		case history.Called, history.LetGo:
			s.Operations++
		case history.Granted:
			s.Grants++
		case history.Refused:
			s.Refusals++
		case history.Lost:
			s.Losses[e.Detail]++
		case history.Fault:
			s.Faults[e.Detail]++
		case history.Revoked:
			s.Operations++
			if e.Detail == "" {
				s.Revoked++
			}
		case history.Looked:
			s.Operations++
			s.Looks++
		case history.Begun:
			s.Operations++
			outcomes[e.ID] = history.Unknown // until it is known
		case history.Acked, history.Aborted, history.Unknown:
			outcomes[e.ID] = e.Kind
		}
	}
	for _, kind := range outcomes {
		s.Increments[kind]++
	}
	for _, entry := range remains.Ledger {
		if outcomes[entry.ID] == history.Unknown {
			s.Resolved++
		}
	}
	return s
}

// most is how many violations are printed.
const most = 20

// Print writes the table of a trial, and its violations.
func Print(out io.Writer, r Result) error {
	s := r.Summary
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(t, "%s: seed %d, %d clients, TTL %v, %.1f s under faults\n", r.Store, r.Seed, r.Clients, r.TTL, r.Worked.Seconds())
	row("operations", "%d", s.Operations)
	row("grants", "%d (%.0f a second), %d refused", s.Grants, float64(s.Grants)/r.Worked.Seconds(), s.Refusals)
	row("locks lost", "%s", list(s.Losses))
	row("revocations", "%d", s.Revoked)
	row("waits compared", "%d, the longest with room %v", s.Measures.Waits, s.Measures.Idle.Round(time.Millisecond))
	row("faults", "%s", list(s.Faults))
	row("guarded increments", "%d acknowledged, %d aborted, %d of unknown outcome, of which %d stored",
		s.Increments[history.Acked], s.Increments[history.Aborted], s.Increments[history.Unknown], s.Resolved)
	row("guarded looks", "%d", s.Looks)
	row("leases left by the killed", "%d", s.Orphans)
	row("violations", "%d", len(r.Violations))
	for _, v := range r.Violations[:min(most, len(r.Violations))] {
		row("", "%v", v)
	}
	if len(r.Violations) > 0 {
		row("history", "%s", r.Directory)
	}
	return t.Flush()
}

// list writes counts and their sum.
func list(counts map[string]int) string {
	total, parts := 0, []string{}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		total += counts[name]
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	if total == 0 {
		return "0"
	}
	return fmt.Sprintf("%d: %s", total, strings.Join(parts, ", "))
}
