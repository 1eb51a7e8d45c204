package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/spf13/cobra"
)

const doctorHelp = `Look whether a database is fit to keep locks in, and say what to do where it is not.

It changes no lock and no table. "warning" means that locks work, but something is
slower, weaker or less certain than it could be; "problem" that they do not work,
or are not safe, until it is changed.

Exit status: 0 without a problem, 1 with one, or
   64  mistake on the command line
   69  database unreachable
   78  unusable database URL, or a database that cannot be looked at`

func newDoctor(db *databaseFlags, status *int) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether a database is fit to keep locks in",
		Long:  doctorHelp,
		Args:  atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := diagnose(cmd.Context(), db)
			if err != nil {
				return err
			}
			*status = statusOf(findings)
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), findings)
			}
			return writeFindings(cmd.OutOrStdout(), findings)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of objects: check, level (ok, warning, problem), finding, advice")
	return cmd
}

// statusProblem is the exit status when something must be changed.
const statusProblem = 1

func statusOf(findings []driver.Finding) int {
	if slices.ContainsFunc(findings, func(f driver.Finding) bool { return f.Level == driver.LevelProblem }) {
		return statusProblem
	}
	return 0
}

// diagnose looks at the database that flags and environment name. One that does not
// answer is tried again until the time for that is over.
func diagnose(ctx context.Context, db *databaseFlags) ([]driver.Finding, error) {
	chosen, err := db.choose()
	if err != nil {
		return nil, err
	}
	store, err := chosen.open()
	if err != nil {
		return nil, explain(err)
	}
	defer store.close()
	look, ok := store.Store.(driver.Diagnoser)
	if !ok {
		return nil, explain(driver.Permanent(leasehold.ErrUnsupported))
	}
	findings, err := retried(ctx, db.connect, look.Diagnose)
	if err != nil {
		return nil, explain(err)
	}
	return findings, nil
}

// retried calls look until it succeeds, fails for good, or could be made no contact
// with for as long as patience. A look that has begun is not cut short.
func retried(ctx context.Context, patience time.Duration, look func(context.Context) ([]driver.Finding, error)) ([]driver.Finding, error) {
	begin := time.Now()
	for pause := firstRetry; ; pause = min(2*pause, longestRetry) {
		findings, err := look(ctx)
		if err == nil || driver.IsPermanent(err) {
			return findings, err
		}
		if time.Since(begin)+pause > patience {
			return nil, fmt.Errorf("%w (tried for %v)", err, patience)
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		}
	}
}

// writeFindings prints a table, and then the advice for what needs some.
func writeFindings(w io.Writer, findings []driver.Finding) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "CHECK\tLEVEL\tFINDING")
	for _, f := range findings {
		fmt.Fprintf(out, "%s\t%s\t%s\n", oneLine(f.Check), f.Level, oneLine(f.Finding))
		if f.Advice != "" {
			fmt.Fprintf(out, "\t\t-> %s\n", oneLine(f.Advice))
		}
	}
	return out.Flush()
}
