package main

import (
	"context"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

// withClient runs f with a client for a subcommand that looks or revokes. Such a
// client has no lease.
func withClient(cmd *cobra.Command, db *databaseFlags, f func(context.Context, *leasehold.Client) error) error {
	chosen, err := db.choose()
	if err != nil {
		return err
	}
	store, err := chosen.openToLook()
	if err != nil {
		return err
	}
	defer store.close()
	cfg := leasehold.Config{Owner: defaultOwner(), App: "leasehold " + cmd.Name()}
	client, err := firstContact(cmd.Context(), store, cfg, db.connect)
	if err != nil {
		return explain(err)
	}
	defer client.Close()
	if err := f(cmd.Context(), client); err != nil {
		return explain(err)
	}
	return nil
}
