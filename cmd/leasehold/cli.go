package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// execute runs one command line and returns the exit status.
func execute(args []string) int {
	status := 0
	root := newRoot(&status)
	root.SetArgs(args)
	if err := root.ExecuteContext(context.Background()); err != nil {
		return fail(err)
	}
	return status
}

func newRoot(status *int) *cobra.Command {
	root := &cobra.Command{
		Use:           "leasehold",
		Short:         "Locks on the database you already run",
		Long:          rootHelp,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var db databaseFlags
	flags := root.PersistentFlags()
	flags.StringVar(&db.url, "db", "", "database `URL`: postgres://..., mysql://... or sqlite:PATH (default $"+databaseVariable+")")
	flags.StringVar(&db.file, "db-file", "", "SQLite database `file`")
	flags.DurationVar(&db.connect, "connect-timeout", 10*time.Second, "how `long` to try to reach the database at first")
	plain := []*cobra.Command{newList(&db), newInspect(&db), newRevoke(&db), newMigrate(&db), newDoctor(&db, status), newVersion()}
	noFiles(plain...)
	root.AddCommand(newRun(&db, status), newElect(&db, status)) // their commands may be files
	root.AddCommand(plain...)
	completeFlags(root)
	return root
}

const rootHelp = `Locks on the database you already run: PostgreSQL, or an SQLite file.

The database is named by --db or --db-file, else by $LEASEHOLD_DB, else it is the
file leasehold/leasehold.db in $XDG_STATE_HOME (~/.local/state if that is unset).
A password is better kept in $LEASEHOLD_DB, $PGPASSWORD or ~/.pgpass than in an
argument, which other users of the machine can read.`

// exactly is cobra.ExactArgs with an error that says what is expected.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return misused("%s needs %s, and nothing else", cmd.Name(), strings.Join(names, " "))
		}
		return nil
	}
}

// atMost is cobra.MaximumNArgs with a plainer error.
func atMost(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > n {
			return misused("%s: unexpected argument %q", cmd.Name(), args[n])
		}
		return nil
	}
}
