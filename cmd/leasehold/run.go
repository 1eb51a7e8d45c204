package main

import (
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

const runHelp = `Run COMMAND while holding the lock NAME, waiting for it if need be.

The command never outlives the lock. If the lock is about to be lost, because the
database cannot be reached, every process of the command gets SIGTERM at the
lock's deadline less --stop-timeout, and SIGKILL at the deadline. When the command
ends, what it left running in the background is ended too, and then the lock is
released. Both hold for processes in sessions of their own; they do not for those
that run as another user. Off Linux they hold for the command's process group
only, and if leasehold itself is killed the command may run on; on Windows for
the command's own process only.

The command finds LEASEHOLD_NAME, LEASEHOLD_FENCE and LEASEHOLD_OWNER in its
environment, and no password of the database: LEASEHOLD_DB loses its password,
PGPASSWORD and PGSSLPASSWORD are removed.

Exit status: the command's own, 128+n if signal n ended it, or
   64  mistake on the command line
   69  database unreachable
   70  internal error
   75  the lock was not obtained (or that of -E)
   78  unusable database URL, or a database that cannot be used as it is
   79  the lock was lost while the command ran
  126  the command cannot be executed
  127  the command was not found`

func newRun(db *databaseFlags, status *int) *cobra.Command {
	j := job{}
	cmd := &cobra.Command{
		Use:     "run [flags] NAME -- COMMAND [ARG...]",
		Short:   "Run a command while holding a lock",
		Long:    runHelp,
		Example: "  leasehold run nightly -- ./backup.sh\n  leasehold run --try nightly -- ./backup.sh",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := j.complete(cmd, args, db); err != nil {
				return err
			}
			*status = runJob(j)
			return nil
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&j.Try, "try", false, "do not wait: exit with 75 if somebody else holds the lock")
	flags.DurationVar(&j.Wait, "wait", 0, "wait for the lock this `long` at most (default for ever)")
	flags.DurationVar(&j.TTL, "ttl", leasehold.DefaultTTL, "how `long` the lock outlives an unreachable holder")
	flags.DurationVar(&j.StopTimeout, "stop-timeout", 0, "`time` between SIGTERM and SIGKILL (default a fifth of the TTL)")
	flags.StringVar(&j.Owner, "owner", "", "who holds the lock, for people (default the user's name)")
	flags.IntVarP(&j.HeldStatus, "conflict-exit-code", "E", statusHeld, "exit `status` if the lock was not obtained")
	return cmd
}

// complete checks the command line and fills in the defaults. Mistakes of the
// command line come before those of the database and of the command.
func (j *job) complete(cmd *cobra.Command, args []string, db *databaseFlags) error {
	if err := j.readArgs(cmd, args); err != nil {
		return err
	}
	if err := j.checkFlags(cmd); err != nil {
		return err
	}
	var err error
	if j.Database, err = db.choose(); err != nil {
		return err
	}
	j.Connect = db.connect
	j.Path, err = findCommand(j.Args[0])
	return err
}

func (j *job) readArgs(cmd *cobra.Command, args []string) error {
	dash := cmd.ArgsLenAtDash()
	switch {
	case len(args) == 0, dash == 0:
		return misused("%[1]s needs a NAME: leasehold %[1]s NAME -- COMMAND [ARG...]", cmd.Name())
	case dash < 0:
		return misused("%[1]s needs -- between NAME and COMMAND: leasehold %[1]s NAME -- COMMAND [ARG...]", cmd.Name())
	case dash > 1:
		return misused("%s takes one NAME: unexpected argument %q before --", cmd.Name(), args[1])
	case len(args) == 1:
		return misused("%s needs a COMMAND after --", cmd.Name())
	}
	j.Name, j.Args = args[0], args[1:]
	if err := leasehold.CheckName(j.Name); err != nil {
		return misused("%v", err)
	}
	return nil
}

func (j *job) checkFlags(cmd *cobra.Command) error {
	set := cmd.Flags().Changed
	switch {
	case j.Try && set("wait"):
		return misused("give --try or --wait, not both")
	case j.Wait < 0:
		return misused("--wait %v is negative", j.Wait)
	case j.HeldStatus < 0 || j.HeldStatus > 255:
		return misused("-E %d is not an exit status: use 0 to 255", j.HeldStatus)
	case j.TTL < leasehold.MinTTL:
		return misused("--ttl %v is too short: use at least %v", j.TTL, leasehold.MinTTL)
	case j.TTL%time.Millisecond != 0:
		return misused("--ttl %v: use whole milliseconds", j.TTL)
	case set("owner") && (j.Owner == "" || j.Owner != printable(j.Owner)):
		return misused("--owner %q: use 1 to %d bytes of printable text", j.Owner, maxLabel)
	}
	if set("wait") && j.Wait == 0 {
		j.Try = true
	}
	if !set("owner") {
		j.Owner = defaultOwner()
	}
	if !set("stop-timeout") {
		j.StopTimeout = j.TTL / 5
	}
	// A renewal comes every third of the TTL; the command must not be ended
	// before it is clear that one is late.
	if j.StopTimeout < 0 || j.StopTimeout > j.TTL/2 {
		return misused("--stop-timeout %v: use 0 to half of the TTL (%v)", j.StopTimeout, j.TTL/2)
	}
	return nil
}
