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
		Short: "Show a lock, its holders, its queue and its data",
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
	sessionFlag(cmd, db)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an object; ages are in seconds")
	return cmd
}

func writeDetails(w io.Writer, info leasehold.Info) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(key, format string, args ...any) {
		fmt.Fprintf(out, "%s:\t%s\n", key, oneLine(fmt.Sprintf(format, args...)))
	}
	line("name", "%s", info.Name)
	line("state", "%s", newEntry(info).state())
	line("fence", "%d", info.Fence)
	if info.Kept > 0 {
		line("kept", "for another %s", shortAge(info.Kept.Seconds()))
	}
	if info.Shared || info.Limit > 0 {
		writeHolders(info.Holders, line)
	} else if h := info.Holder; h != nil {
		line("holder", "%s", process(h.Owner, h.Host, h.PID, h.App))
		line("since", "%s (%s)", h.Since.UTC().Format(time.RFC3339), shortAge(h.Age.Seconds()))
		writeMark(h.Mark, "revoked", line)
	}
	line("waiters", "%d", len(info.Waiters))
	for i, w := range info.Waiters {
		line(fmt.Sprintf("  %d", i+1), "%s", process(w.Owner, w.Host, w.PID, w.App))
	}
	writeData(info.Data, line)
	return out.Flush()
}

// writeHolders lists those who hold the lock beside one another, by their fences.
func writeHolders(holders []leasehold.Holder, line func(key, format string, args ...any)) {
	line("holders", "%d", len(holders))
	for _, h := range holders {
		line(fmt.Sprintf("  %d", h.Fence), "%s, since %s (%s)", process(h.Owner, h.Host, h.PID, h.App),
			h.Since.UTC().Format(time.RFC3339), shortAge(h.Age.Seconds()))
		writeMark(h.Mark, "    revoked", line)
	}
}

func writeMark(m *leasehold.Mark, key string, line func(key, format string, args ...any)) {
	if m != nil {
		line(key, "by %s, %s ago: %s", m.By, shortAge(m.Age.Seconds()), m.Reason)
	}
}

func writeData(b []byte, line func(key, format string, args ...any)) {
	d := newData(b)
	switch {
	case d == nil:
	case d.Text == nil:
		line("data", "%d bytes", d.Size)
	default:
		line("data", "%d bytes: %s", d.Size, *d.Text)
	}
}

func process(owner, host string, pid int, app string) string {
	return fmt.Sprintf("%s on %s, pid %d, %s", owner, host, pid, app)
}
