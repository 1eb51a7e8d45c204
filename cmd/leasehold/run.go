package main

import (
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/spf13/cobra"
)

const runHelp = `Run COMMAND while holding the lock NAME, waiting for it if need be.

Of several NAMEs it holds all, each in the way that the flags say. They are taken one
after the other in an order that does not depend on the command line, so that runs do
not block one another for ever. With --try, if one cannot be had none is kept.

With --shared others may hold the lock shared at the same time, and nobody alone: for
readers beside a writer who runs without --shared. With --permits N the name is one
that N may hold at once. All who use a name must give the same N: whoever does
not is refused, with status 64. Neither passes those who wait already.

With --min-hold the lock stays taken for that long after it was obtained, also if the
command ends sooner or this host dies: for a job that is started on many hosts by
clocks that differ, with --try. The time counts only if the command was started; it
does not bound how long the command runs. "leasehold revoke" ends it.

With --session the lock is the server's: an advisory lock of PostgreSQL, or a named lock of
MySQL or MariaDB, which nobody can share. Nothing is stored but the fence, and it is free
the moment the connection ends, be it that this process dies or that the server does. Then
the command is ended at once, and somebody else may have the lock before it is. Runs with
and without --session do not keep each other out.

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
PGPASSWORD and PGSSLPASSWORD are removed. Of several names LEASEHOLD_NAME and
LEASEHOLD_FENCE are the first; LEASEHOLD_NAMES and LEASEHOLD_FENCES hold all, one a
line, as they were given. If one of the locks is lost, so is the command.

Exit status: the command's own, 128+n if signal n ended it, or
   64  mistake on the command line, or the name is in use with other permits
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
		Use:     "run [flags] NAME... -- COMMAND [ARG...]",
		Short:   "Run a command while holding a lock",
		Long:    runHelp,
		Example: "  leasehold run nightly -- ./backup.sh\n  leasehold run --try nightly -- ./backup.sh\n  leasehold run --permits 3 uploads -- ./upload.sh",
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
	flags.BoolVar(&j.Shared, "shared", false, "let others hold the lock shared too")
	flags.IntVar(&j.Permits, "permits", 0, "let `N` hold the name at once")
	flags.DurationVar(&j.MinHold, "min-hold", 0, "keep the lock taken this `long` at least, even if the command ends sooner")
	flags.BoolVar(&j.session, "session", false, "hold the lock by a connection, not in a table (not on SQLite)")
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
	if j.session && j.Database.URL == "" {
		return misused("--session is for PostgreSQL, MySQL and MariaDB: give --db postgres://... or mysql://...")
	}
	if j.session && j.Shared && j.Database.isMySQL() {
		return misused("--session: named locks of MySQL and MariaDB cannot be shared: give one of --session and --shared")
	}
	j.Database.Session = j.session
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
	case dash > 1 && j.Elect:
		return misused("%s takes one NAME: unexpected argument %q before --", cmd.Name(), args[1])
	case len(args) == dash:
		return misused("%s needs a COMMAND after --", cmd.Name())
	}
	j.Names, j.Args = args[:dash], args[dash:]
	return checkNames(j.Names)
}

func checkNames(names []string) error {
	for i, name := range names {
		if err := leasehold.CheckName(name); err != nil {
			return misused("%v", err)
		}
		if slices.Contains(names[:i], name) {
			return misused("the NAME %q occurs twice", name)
		}
		if len(names) > 1 && strings.Contains(name, "\n") {
			return misused("the NAME %q has a line break: such a one can be had only alone", name)
		}
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
	if err := j.checkModes(set); err != nil {
		return err
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

// checkModes checks the flags that say how the locks are held.
func (j *job) checkModes(set func(string) bool) error {
	permits, minHold := set("permits"), set("min-hold")
	switch {
	case j.Shared && permits:
		return misused("give --shared or --permits, not both")
	case minHold && (j.Shared || permits):
		return misused("--min-hold is for a lock that one holds alone: give it without --shared and --permits")
	case j.session && (permits || minHold):
		return misused("--session: permits and minimum holds are kept in tables: give it without --permits and --min-hold")
	case permits && (j.Permits < 1 || j.Permits > leasehold.MaxPermits):
		return misused("--permits %d: use 1 to %d", j.Permits, leasehold.MaxPermits)
	case minHold && (j.MinHold <= 0 || j.MinHold%time.Millisecond != 0):
		return misused("--min-hold %v: use whole milliseconds, at least one", j.MinHold)
	}
	return nil
}
