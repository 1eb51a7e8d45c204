package main

import (
	"context"
	"fmt"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

const revokeHelp = `Take a lock away from its holder.

The holder is told, and the lock passes on when it has let go, or at the latest when
its TTL has passed. Under "leasehold run" the command gets SIGTERM, and SIGKILL
after --stop-timeout.

With --now the lock passes on at once. The holder then works on beside the next one
until it learns of it: only the fence, where it is checked, still protects.`

func newRevoke(db *databaseFlags) *cobra.Command {
	var reason string
	var now bool
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take a lock away from its holder",
		Long:  revokeHelp,
		Args:  exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withClient(cmd, db, func(ctx context.Context, client *leasehold.Client) error {
				line, err := revoke(ctx, client, args[0], reason, now)
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), oneLine(line))
				}
				return err
			})
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, shown to the holder")
	cmd.Flags().BoolVar(&now, "now", false, "pass the lock on without waiting for the holder to let go")
	return cmd
}

// revoke revokes the grant that is in force, and says which.
func revoke(ctx context.Context, client *leasehold.Client, name, reason string, now bool) (string, error) {
	info, err := client.Get(ctx, name)
	if err != nil {
		return "", err
	}
	if info.Holder == nil {
		return "", misused("nobody holds %q", name)
	}
	var opts []leasehold.RevokeOption
	if now {
		opts = append(opts, leasehold.WaiveWait())
	}
	if err := client.Revoke(ctx, name, info.Fence, reason, opts...); err != nil {
		return "", err
	}
	return fmt.Sprintf("revoked %q (fence %d), held by %s", name, info.Fence, info.Holder), nil
}
