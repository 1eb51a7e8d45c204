package main

import (
	"fmt"

	"github.com/leaseholdgo/leasehold/postgres"
	"github.com/leaseholdgo/leasehold/sqlite"
	"github.com/spf13/cobra"
)

func newMigrate(db *databaseFlags) *cobra.Command {
	var show bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Make the tables, or bring them up to date",
		Long: "Make the tables, or bring them up to date. The first use of a database does the same; " +
			"this is for roles that may not.",
		Args: atMost(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			chosen, err := db.choose()
			if err != nil {
				return err
			}
			if show {
				sql, err := chosen.migrationSQL()
				if err == nil {
					_, err = fmt.Fprint(cmd.OutOrStdout(), sql)
				}
				return err
			}
			return migrate(cmd, chosen)
		},
	}
	cmd.Flags().BoolVar(&show, "print", false, "print the SQL for this kind of database and change nothing")
	return cmd
}

func migrate(cmd *cobra.Command, chosen database) error {
	store, err := chosen.open()
	if err != nil {
		return err
	}
	defer store.close()
	if err := store.migrate(cmd.Context()); err != nil {
		return explain(err)
	}
	return nil
}

func (d database) migrationSQL() (string, error) {
	if d.URL == "" {
		return sqlite.MigrationSQL(), nil
	}
	return postgres.MigrationSQL(postgres.Config{})
}
