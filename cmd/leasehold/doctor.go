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

It changes no lock and no table of yours. "warning" means that locks work, but something is
slower, weaker or less certain than it could be; "problem" that they do not work,
or are not safe, until it is changed.

With --torture (PostgreSQL and SQLite), and if there is no problem, clients then work on the
database for that long, in a schema (SQLite: a file) of their own, while their connections are cut and
slowed down, and the history that they record is checked. They load the database. A
violation is a problem.

Exit status: 0 without a problem, 1 with one, or
   64  mistake on the command line
   69  database unreachable
   78  unusable database URL, or a database that cannot be looked at`

func newDoctor(db *databaseFlags, status *int) *cobra.Command {
	var v visit
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say whether a database is fit to keep locks in",
		Long:  doctorHelp,
		Args:  atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if cmd.Flags().Changed("torture") && v.torture <= 0 {
				return misused("--torture %v: use more than 0", v.torture)
			}
			*status, err = v.run(cmd.Context(), db, cmd.OutOrStdout())
			return err
		},
	}
	sessionFlag(cmd, db)
	cmd.Flags().BoolVar(&v.asJSON, "json", false, "print an array of objects: check, level (ok, warning, problem), finding, advice")
	cmd.Flags().DurationVar(&v.torture, "torture", 0, "then work on the database under faults for this `long`, and check the history")
	return cmd
}

// visit is one call of doctor.
type visit struct {
	asJSON  bool
	torture time.Duration // 0: none
}

// run looks, prints what was found, and returns the exit status.
func (v visit) run(ctx context.Context, db *databaseFlags, out io.Writer) (int, error) {
	chosen, err := db.choose()
	if err != nil {
		return 0, err
	}
	if v.torture > 0 && chosen.Session {
		return 0, misused("--torture works on locks in tables: give it without --session")
	}
	if v.torture > 0 && chosen.isMySQL() {
		return 0, misused("--torture works on PostgreSQL and SQLite, not on MySQL or MariaDB")
	}
	findings, err := diagnose(ctx, chosen, db.connect)
	if err != nil {
		return 0, err
	}
	if !v.asJSON {
		if err := writeFindings(out, findings); err != nil {
			return 0, err
		}
	}
	if v.torture > 0 && statusOf(findings) == 0 {
		ended, err := endure(ctx, chosen, v.torture)
		if err != nil {
			return 0, err
		}
		findings = append(findings, ended.finding())
		if !v.asJSON {
			fmt.Fprintln(out)
			return statusOf(findings), ended.write(out)
		}
	}
	if v.asJSON {
		err = writeJSON(out, findings)
	}
	return statusOf(findings), err
}

// statusProblem is the exit status when something must be changed.
const statusProblem = 1

func statusOf(findings []driver.Finding) int {
	if slices.ContainsFunc(findings, func(f driver.Finding) bool { return f.Level == driver.LevelProblem }) {
		return statusProblem
	}
	return 0
}

// diagnose looks at the database. One that does not answer is tried again until
// patience is over.
func diagnose(ctx context.Context, chosen database, patience time.Duration) ([]driver.Finding, error) {
	store, err := chosen.open()
	if err != nil {
		return nil, explain(err)
	}
	defer store.close()
	look, ok := store.Store.(driver.Diagnoser)
	if !ok {
		return nil, explain(driver.Permanent(leasehold.ErrUnsupported))
	}
	findings, err := retried(ctx, patience, look.Diagnose)
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
