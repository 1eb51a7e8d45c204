// Package torture runs clients against a given database for a short while, disturbs
// them, and checks the recorded history.
//
// It does not show that locks are safe there; it fails to show that they are not.
// The clients live in one process: what only another process or host can do to them
// (stops, kills, suspension, a failover) is not part of it.
//
// It harms nothing but itself: its tables are in a schema, or in a file, of its own,
// which it removes; it ends only sessions that it opened. It does load the database,
// with up to six connections for each client, and commits as fast as they are
// answered.
package torture

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/draw"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/faults/internal/remains"
	"github.com/leaseholdgo/leasehold/faults/internal/report"
)

// Report is what a run has found.
type Report struct {
	Store      string
	Seed       uint64
	Clients    int
	TTL        time.Duration
	Worked     time.Duration // how long the clients worked
	Operations int           // acquisitions asked for, releases and guarded increments
	Grants     int
	Faults     int
	Violations []string // each in one line; none is good
	Sum        string   // SHA-256 of the saved history, in hexadecimal

	// Directory keeps the history, if there are violations or Config.Directory is
	// set, and Drawing in it shows them. Otherwise both are empty.
	Directory string
	Drawing   string

	result report.Result
}

// Print writes the report as a table for people.
func (r Report) Print(out io.Writer) error { return report.Print(out, r.result) }

// Run works on the database for Config.Duration, heals every fault, closes its
// clients, checks what they recorded, and removes its tables. Violations are part of
// the Report, and not an error: an error means that the run did not come to an end.
// After ctx has ended it still closes and removes what it made.
func Run(ctx context.Context, cfg Config) (r Report, err error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return r, err
	}
	dir, err := cfg.directory()
	if err != nil {
		return r, err
	}
	defer func() {
		if r.Directory == "" && cfg.Directory == "" {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	t := &trial{Config: cfg, dir: dir}
	if err := t.provide(ctx); err != nil {
		return r, errors.Join(err, t.remove())
	}
	worked, err := t.work(ctx)
	if err == nil {
		r, err = t.judge(ctx, worked)
	}
	return r, errors.Join(err, t.remove())
}

// judge looks at what is left, and at the history.
func (t *trial) judge(ctx context.Context, worked time.Duration) (r Report, err error) {
	left, err := remains.Read(ctx, t.database, client.Whole(t.names()), t.TTL)
	if err != nil {
		return r, fmt.Errorf("looking at what is left: %w", err)
	}
	events, err := history.Read(t.dir)
	if err != nil {
		return r, err
	}
	sum, err := history.Sum(t.dir)
	if err != nil {
		return r, err
	}
	result := report.Result{
		Store: t.arena.kind(), Seed: t.Seed, Clients: t.Clients, TTL: t.TTL, Worked: worked, Directory: t.dir,
		Summary: report.Summarise(events, left), Violations: check.Run(events, left, t.TTL),
	}
	r = Report{
		Store: result.Store, Seed: t.Seed, Clients: t.Clients, TTL: t.TTL, Worked: worked,
		Operations: result.Summary.Operations, Grants: result.Summary.Grants, Sum: sum, result: result,
	}
	for _, n := range result.Summary.Faults {
		r.Faults += n
	}
	for _, v := range result.Violations {
		r.Violations = append(r.Violations, v.String())
	}
	if len(r.Violations) > 0 || t.Config.Directory != "" {
		r.Directory, r.Drawing = t.dir, filepath.Join(t.dir, "history.html")
		err = draw.File(r.Drawing, events, result.Violations)
	}
	return r, err
}
