package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

const listHelp = `List the locks whose names begin with PREFIX, free ones too.

STATE is free, held, shared, permits n/limit, or kept: nobody holds the lock, and it
stays taken for a minimum hold. "revoked" is held yet and to be given up, "expired" has
a holder who is gone. Of several holders the first is shown, with the number of others;
"leasehold inspect" shows all. FENCE is that of the last grant.

With --session the locks are those that sessions hold now. The server knows hashes of
their names: on PostgreSQL a name such as pg_advisory_lock:42 is shown, which stands for the
lock in other commands; on MySQL and MariaDB the name of the server's lock. MySQL 8 tells them
to who may read performance_schema, MariaDB with the plugin metadata_lock_info. Fences and
waiters are not known.`

func newList(db *databaseFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ls [PREFIX]",
		Short: "List the locks whose names begin with PREFIX",
		Long:  listHelp,
		Args:  atMost(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withClient(cmd, db, func(ctx context.Context, client *leasehold.Client) error {
				entries, err := list(ctx, client, append(args, "")[0])
				if err != nil {
					return err
				}
				if asJSON {
					return writeJSON(cmd.OutOrStdout(), entries)
				}
				return writeTable(cmd.OutOrStdout(), entries)
			})
		},
	}
	sessionFlag(cmd, db)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print an array of objects; ages are in seconds")
	return cmd
}

func list(ctx context.Context, client *leasehold.Client, prefix string) ([]entry, error) {
	entries := []entry{}
	for info, err := range client.List(ctx, leasehold.ListOptions{Prefix: prefix, PageSize: 1000}) {
		if err != nil {
			return nil, err
		}
		entries = append(entries, newEntry(info))
	}
	return entries, nil
}

func writeTable(w io.Writer, entries []entry) error {
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "NAME\tSTATE\tHOLDER\tHOST\tPID\tAGE\tFENCE\tWAITERS")
	for _, e := range entries {
		holder, host, pid, age := "-", "-", "-", "-"
		if e.Holder != nil {
			holder, host = oneLine(*e.Holder), oneLine(*e.Host)
			pid, age = strconv.Itoa(*e.PID), shortAge(*e.Age)
		}
		if e.Holders > 1 {
			holder += fmt.Sprintf(" +%d", e.Holders-1)
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%s\t%d\t%d\n", oneLine(e.Name), e.state(), holder, host, pid, age, e.Fence, e.Waiters)
	}
	return out.Flush()
}

// state says for people how the lock is held, and what is the matter with that.
func (e entry) state() string {
	how := ""
	switch {
	case e.Limit != nil:
		how = fmt.Sprintf("permits %d/%d", e.Holders, *e.Limit)
	case e.Holders > 0 && *e.Mode == shared:
		how = shared
	default:
		return string(e.State)
	}
	if e.State == leasehold.Revoked || e.State == leasehold.Expired {
		how += ", " + string(e.State)
	}
	return how
}

// shortAge rounds an age so that it can be read at a glance.
func shortAge(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}
