package main

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/mysql"
	"github.com/leaseholdgo/leasehold/postgres"
	"github.com/leaseholdgo/leasehold/sqlite"
	"github.com/spf13/cobra"
)

// migrateFlags are what migrate may be asked for beyond the tables.
type migrateFlags struct {
	print    bool
	newEpoch bool
	maxTTL   time.Duration
	grace    string
}

func newMigrate(db *databaseFlags) *cobra.Command {
	var flags migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make the tables, or bring them up to date, and set what is stored with them",
		Long: "Make the tables, or bring them up to date. The first use of a database does the same; " +
			"this is for roles that may not. The other flags change what is stored with the tables " +
			"of PostgreSQL, MySQL and MariaDB, for all clients.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := db.choose()
			if err == nil {
				err = flags.check(cmd, chosen)
			}
			if err != nil {
				return err
			}
			if flags.print {
				sql, err := chosen.migrationSQL()
				if err == nil {
					_, err = fmt.Fprint(cmd.OutOrStdout(), sql)
				}
				return err
			}
			return flags.migrate(cmd.Context(), chosen)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.print, "print", false, "print the SQL for this kind of database and change nothing")
	f.BoolVar(&flags.newEpoch, "new-epoch", false, "after restoring a backup: nothing is granted until all locks from before have run out")
	f.DurationVar(&flags.maxTTL, "max-ttl", 0, "the longest TTL of a client, and so the pause in granting after a failover (60s at first)")
	f.StringVar(&flags.grace, "grace", "", "on, or off: whether there is that pause; off only where no standby can lack a commit")
	return cmd
}

// check refuses flags that do not fit together.
func (f migrateFlags) check(cmd *cobra.Command, chosen database) error {
	sets := f.newEpoch || f.grace != "" || cmd.Flags().Changed("max-ttl")
	switch {
	case sets && f.print:
		return misused("--print changes nothing: give it alone")
	case sets && chosen.URL == "":
		return misused("--new-epoch, --max-ttl and --grace are for PostgreSQL, MySQL and MariaDB")
	case f.grace != "" && f.grace != "on" && f.grace != "off":
		return misused("--grace %q: use on or off", f.grace)
	case cmd.Flags().Changed("max-ttl") && f.maxTTL <= 0:
		return misused("--max-ttl %v: use more than 0", f.maxTTL)
	}
	return nil
}

func (f migrateFlags) migrate(ctx context.Context, chosen database) error {
	store, err := chosen.open()
	if err != nil {
		return err
	}
	defer store.close()
	err = store.migrate(ctx)
	if set, ok := store.Store.(settable); ok && err == nil {
		err = f.set(ctx, set)
	}
	if err != nil {
		return explain(err)
	}
	return nil
}

// settable is a store that keeps settings for all clients with its tables.
type settable interface {
	SetMaxTTL(ctx context.Context, longest time.Duration) error
	SetGrace(ctx context.Context, on bool) error
	NewEpoch(ctx context.Context) error
}

// set changes what is stored with the tables, as far as it was asked for.
func (f migrateFlags) set(ctx context.Context, store settable) (err error) {
	if f.maxTTL > 0 {
		err = store.SetMaxTTL(ctx, f.maxTTL)
	}
	if f.grace != "" && err == nil {
		err = store.SetGrace(ctx, f.grace == "on")
	}
	if f.newEpoch && err == nil {
		err = store.NewEpoch(ctx)
	}
	return err
}

func (d database) migrationSQL() (string, error) {
	if d.URL == "" {
		return sqlite.MigrationSQL(), nil
	}
	if d.isMySQL() {
		return mysql.MigrationSQL(mysql.Config{})
	}
	return postgres.MigrationSQL(postgres.Config{})
}
