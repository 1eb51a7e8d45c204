package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

const revokeHelp = `Take a lock away from its holder.

The holder is told, and the lock passes on when it has let go, or at the latest when
its TTL has passed. Under "leasehold run" the command gets SIGTERM, and SIGKILL
after --stop-timeout. Of several holders, who share the lock or have permits, --fence
says which; "leasehold inspect" shows their fences. If nobody holds the lock and it is
kept for a minimum hold, that ends.

With --now the lock passes on at once. The holder then works on beside the next one
until it learns of it: only the fence, where it is checked, still protects.`

// revocation is what "leasehold revoke" is asked to do.
type revocation struct {
	name   string
	fence  uint64 // 0: of the only holder
	reason string
	now    bool
}

func newRevoke(db *databaseFlags) *cobra.Command {
	var r revocation
	cmd := &cobra.Command{
		Use:   "revoke NAME",
		Short: "Take a lock away from its holder",
		Long:  revokeHelp,
		Args:  exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("fence") && r.fence == 0 {
				return misused("--fence 0: no grant has that fence")
			}
			r.name = args[0]
			return withClient(cmd, db, func(ctx context.Context, client *leasehold.Client) error {
				line, err := r.revoke(ctx, client)
				if err == nil {
					fmt.Fprintln(cmd.OutOrStdout(), oneLine(line))
				}
				return err
			})
		},
	}
	flags := cmd.Flags()
	flags.Uint64Var(&r.fence, "fence", 0, "`fence` of the holder that is meant, if there are several")
	flags.StringVar(&r.reason, "reason", "", "why, shown to the holder")
	flags.BoolVar(&r.now, "now", false, "pass the lock on without waiting for the holder to let go")
	return cmd
}

// revoke revokes the grant that is meant, and says which it was.
func (r revocation) revoke(ctx context.Context, client *leasehold.Client) (string, error) {
	info, err := client.Get(ctx, r.name)
	if err != nil {
		return "", err
	}
	fence, whose, err := r.meant(info)
	if err != nil {
		return "", err
	}
	var opts []leasehold.RevokeOption
	if r.now {
		opts = append(opts, leasehold.WaiveWait())
	}
	if err := client.Revoke(ctx, r.name, fence, r.reason, opts...); err != nil {
		return "", err
	}
	return fmt.Sprintf("revoked %q (fence %d), %s", r.name, fence, whose), nil
}

// meant returns the fence of the grant to revoke, and whose it is.
func (r revocation) meant(info leasehold.Info) (fence uint64, whose string, err error) {
	switch {
	case info.Kept > 0 && (r.fence == 0 || r.fence == info.Fence):
		return info.Fence, "kept for its minimum hold", nil
	case len(info.Holders) == 0:
		return 0, "", misused("nobody holds %q", r.name)
	case len(info.Holders) > 1 && r.fence == 0:
		return 0, "", misused("%q has %d holders: say with --fence which is meant: %s", r.name, len(info.Holders), choices(info.Holders))
	}
	for _, h := range info.Holders {
		if r.fence == 0 || r.fence == h.Fence {
			return h.Fence, "held by " + h.String(), nil
		}
	}
	return 0, "", misused("nobody holds %q under fence %d", r.name, r.fence)
}

// choices lists holders by their fences.
func choices(holders []leasehold.Holder) string {
	var list []string
	for _, h := range holders[:min(len(holders), manyNames)] {
		list = append(list, fmt.Sprintf("%d %q on host %q, pid %d", h.Fence, h.Owner, h.Host, h.PID))
	}
	if more := len(holders) - manyNames; more > 0 {
		list = append(list, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(list, "; ")
}
