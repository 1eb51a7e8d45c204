package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/faults/torture"
)

// tortureCheck is the check that --torture adds.
const tortureCheck = "torture"

// endurance is how a run of --torture ended.
type endurance struct {
	report torture.Report
	err    error // it did not come to its end
}

// endure runs clients and faults on the database for that long. Interrupted, it
// removes what it made and fails. The directory of a file it makes as the first client
// would.
func endure(ctx context.Context, chosen database, duration time.Duration) (endurance, error) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	if chosen.File != "" {
		if err := os.MkdirAll(filepath.Dir(chosen.File), 0o700); err != nil {
			return endurance{err: err}, nil
		}
	}
	report, err := torture.Run(ctx, torture.Config{URL: chosen.URL, File: chosen.File, Duration: duration})
	if ctx.Err() != nil {
		return endurance{}, &failure{statusSignal + int(syscall.SIGINT), "interrupted"}
	}
	return endurance{report, err}, nil
}

const (
	adviceRoom = "let the role create schemas in the database (the file: let the user create directories beside it), and read what failed"
	adviceHelp = "keep the history, do not use locks on this database, and report it"
)

// finding says the same as the table does, in a line.
func (e endurance) finding() driver.Finding {
	f := driver.Finding{Check: tortureCheck, Level: driver.LevelOK}
	r := e.report
	switch {
	case e.err != nil:
		f.Level, f.Finding, f.Advice = driver.LevelProblem, "did not come to its end: "+plain(e.err), adviceRoom
	case len(r.Violations) > 0:
		f.Level, f.Advice = driver.LevelProblem, adviceHelp
		f.Finding = fmt.Sprintf("%d violations, the first: %s (seed %d, history in %s)", len(r.Violations), r.Violations[0], r.Seed, r.Directory)
	default:
		f.Finding = fmt.Sprintf("%d operations, %d grants, %d faults in %v, no violation (seed %d)",
			r.Operations, r.Grants, r.Faults, r.Worked.Round(time.Second), r.Seed)
	}
	return f
}

// write prints the table of the run, or why there is none.
func (e endurance) write(w io.Writer) error {
	if e.err == nil {
		return e.report.Print(w)
	}
	f := e.finding()
	_, err := fmt.Fprintf(w, "%s: %s\n  -> %s\n", f.Check, oneLine(f.Finding), f.Advice)
	return err
}
