package main

import (
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

func newInspect(db *databaseFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect NAME",
		Short: "Show a lock, its holder and its queue",
		Args:  exactly("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withClient(cmd, db, func(ctx context.Context, client *leasehold.Client) error {
				info, err := client.Get(ctx, args[0])
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), newDetails(info))
				}
				return writeDetails(cmd.OutOrStdout(), info)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object; ages are in seconds")
	return cmd
}

func writeDetails(w io.Writer, info leasehold.Info) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(out, "%s:\t%s\n", key, oneLine(fmt.Sprintf(format, args...)))
	}
	line("name", "%s", info.Name)
	line("state", "%s", info.State)
	line("fence", "%d", info.Fence)
	if h := info.Holder; h != nil {
		line("holder", "%s on %s, pid %d, %s", h.Owner, h.Host, h.PID, h.App)
		line("since", "%s (%s)", h.Since.UTC().Format(time.RFC3339), shortAge(h.Age.Seconds()))
	}
	if m := info.Mark; m != nil {
		line("revoked", "by %s, %s ago: %s", m.By, shortAge(m.Age.Seconds()), m.Reason)
	}
	line("waiters", "%d", len(info.Waiters))
	for i, waiter := range info.Waiters {
		line(fmt.Sprintf("  %d", i+1), "%s on %s, pid %d, %s", waiter.Owner, waiter.Host, waiter.PID, waiter.App)
	}
	return out.Flush()
}
