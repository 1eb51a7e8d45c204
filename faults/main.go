// Command faults runs client processes against a store while nemeses stop and
// kill them and harm the server, and then checks the recorded history.
//
//	go run ./faults -duration 5m
//	go run ./faults -duration 1h -stores postgres -nemeses kill,partition,failover -seed 42
//	go run ./faults -url postgres://user@host/database -duration 5m
//
// It does not show that a lock is safe; it fails to show that it is not. The seed
// decides which faults come and what clients do, not how they interleave: a run is
// not repeated exactly by it.
//
// It checks that beliefs of holders that exclude each other never overlap, that fences
// rise and are never given twice, that guarded counters are exact and readers see them
// so, that minimum holds are kept, that nobody believes in a
// lock after its deadline, and that at the end nothing is held or queued by nobody.
// The exit status is 1 if a rule was broken; the history is then kept and its
// place printed.
//
// The time is divided among scenes, each a store with its servers and what is done
// to them; a longer run goes through them several times, with other seeds.
//
//	sqlite   processes that share a file
//	server   one PostgreSQL server, badly set up (by the seed), its clock years away
//	         from that of all clients and stepped within the tolerance
//	network  one server, and a network for each process
//	async    a primary and two standbys that lag, promoted in turn
//	sync     a primary and a synchronous standby, waits for which are cancelled
//	clocks   one server whose clock jumps anywhere, and clients with a tolerance
//	         of "never"
//	session  one server, whose sessions hold the locks; session-network: with networks
//	mariadb  one MariaDB server, and a network for each process; mysql-session: the
//	         same, and its sessions hold the locks
//
// It runs on Linux, where processes share a clock that counts suspension, and
// starts PostgreSQL and MariaDB servers of its own, whose programs must be installed,
// and libfaketime. A disk is filled only where this may mount one: as root.
//
// With -url it harms no server, only its own clients, their sessions and their
// network, in a schema leasehold_faults that it makes anew and removes. No network is
// harmed over a Unix socket, nor where TLS checks the server's name: leave those
// nemeses out there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/report"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

func main() {
	if be, err := asClient(); be {
		exit(err)
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		os.Exit(0)
	}
	if err != nil {
		os.Exit(64)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	violations, err := run(ctx, o, os.Stdout)
	if err == nil && violations > 0 {
		err = fmt.Errorf("%d violations", violations)
	}
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// asClient runs this process as a client if it was started as one.
func asClient() (bool, error) {
	cfg, be, err := client.FromEnviron()
	if be && err == nil {
		err = client.Main(cfg)
	}
	return be, err
}

// run makes one trial after the other, prints what came of each, and returns how
// many violations there were.
func run(ctx context.Context, o options, out io.Writer) (violations int, err error) {
	if clock.Boottime() == 0 {
		return 0, errors.New("there is no clock here that processes share: run it on Linux")
	}
	var lines []string
	var all sum
	plan := o.plan()
	for _, p := range plan {
		r, err := try(ctx, p.options, p.scene, p.length)
		if err != nil {
			return all.violations, fmt.Errorf("%s, seed %d: %w", p.scene.name, p.seed, err)
		}
		if err := report.Print(out, r.Result); err != nil {
			return all.violations, err
		}
		lines = append(lines, r.line())
		all.add(r)
	}
	fmt.Fprintf(out, "\n%s", heading)
	for _, line := range lines {
		fmt.Fprint(out, line)
	}
	fmt.Fprintf(out, "\n%d trials: %d operations, %d faults, %d violations\n", len(plan), all.operations, all.faults, all.violations)
	for _, v := range all.broken { // once more, where they are seen first
		fmt.Fprint(out, v)
	}
	return all.violations, all.enough(o)
}
