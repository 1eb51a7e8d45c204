package main

import (
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

const electHelp = `Campaign for the office NAME, run COMMAND whenever this host is elected, and
campaign again when the term is over: when the command has ended, or the lock was
lost. Candidates are elected first come first served; at most one of them runs its
command at a time. "leasehold revoke NAME" makes the present leader step down.

Each term is like one "leasehold run": the command never outlives the term, it gets
SIGTERM and SIGKILL in time when the lock is about to be lost, and what it leaves
running is ended before the next candidate is elected. See "leasehold help run".

The command finds what "run" gives it in its environment, and LEASEHOLD_TERM, the
number of the term: larger than that of every term before, and equal to
LEASEHOLD_FENCE.

SIGINT, SIGTERM or SIGQUIT ends it: the command gets the signal, and when it has
ended there is no further term. From a terminal Ctrl-C goes to the command alone: it
ends both if the command ends by it or with status 130. SIGHUP does the same if there is no command, or if
the command ends by it; a command that goes on is taken to have read its settings
again.

An outage of the database is ridden out once the database has been reached.

Exit status: the command's own if a signal came while it ran, 128+n if signal n
came while it did not, or
   64  mistake on the command line
   69  database unreachable at the start
   70  internal error
   78  unusable database URL, or a database that cannot be used as it is
   79  a signal came, and the lock was lost while the command ended
  126  the command cannot be executed
  127  the command was not found`

func newElect(db *databaseFlags, status *int) *cobra.Command {
	j, pause := job{Elect: true}, time.Duration(0)
	cmd := &cobra.Command{
		Use:     "elect [flags] NAME -- COMMAND [ARG...]",
		Short:   "Run a command whenever this host is elected",
		Long:    electHelp,
		Example: "  leasehold elect scheduler -- ./scheduler",
		RunE: func(cmd *cobra.Command, args []string) error {
			if pause < 0 {
				return misused("--pause %v is negative", pause)
			}
			if err := j.complete(cmd, args, db); err != nil {
				return err
			}
			*status = campaign(j, pause)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.DurationVar(&pause, "pause", time.Second, "how `long` to stay away after a term, so that others lead")
	flags.DurationVar(&j.TTL, "ttl", leasehold.DefaultTTL, "how `long` the lock outlives an unreachable leader")
	flags.DurationVar(&j.StopTimeout, "stop-timeout", 0, "`time` between SIGTERM and SIGKILL (default a fifth of the TTL)")
	flags.StringVar(&j.Owner, "owner", "", "who leads, for people (default the user's name)")
	return cmd
}

// candidacy is how one campaign ended, and the term if it led to one.
type candidacy struct {
	status int
	began  bool // the command was started
	broken bool // not even the campaign could be
}

// campaign stands for election again and again, until a signal or an error ends
// that, and returns the exit status.
func campaign(j job, pause time.Duration) int {
	ends := watchEnds()
	for reached := false; ; reached = true {
		c := stand(j)
		if c.over(reached) || ends.came(c) {
			return c.status
		}
		if sig := ends.within(pause); sig != 0 {
			return statusSignal + sig
		}
	}
}

// over reports whether to campaign again makes no sense. That a keeper died, or
// that a database that had been reached cannot be, may pass.
func (c candidacy) over(reached bool) bool {
	switch {
	case c.broken:
		return true
	case c.status == statusUnavailable:
		return !c.began && !reached
	default:
		return !c.began && c.status != statusSoftware && c.status != statusLost
	}
}
