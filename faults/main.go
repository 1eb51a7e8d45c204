// Command faults runs client processes against a store while nemeses stop and
// kill them and harm the server, and then checks the recorded history.
//
//	go run ./faults -duration 60s -stores sqlite,postgres -clients 8 -seed 42
//
// It does not show that a lock is safe; it fails to show that it is not. The seed
// decides which faults come and what clients do, not how they interleave: a run is
// not repeated exactly by it.
//
// It checks that beliefs of two holders never overlap, that fences rise and are
// never given twice, that guarded counters are exact, that nobody believes in a
// lock after its deadline, and that at the end nothing is held or queued by nobody.
// The exit status is 1 if a rule was broken; the history is then kept and its
// place printed.
//
// It runs on Linux, where processes share a clock that counts suspension, and
// starts a PostgreSQL server of its own, whose programs must be installed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/client"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
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

// options are the command line.
type options struct {
	duration time.Duration
	stores   []string
	clients  int
	seed     uint64
	ttl      time.Duration
	keep     string
}

func parse(args []string, out io.Writer) (options, error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(out)
	var o options
	stores := flags.String("stores", database.SQLite+","+database.Postgres, "the stores, each for its share of the duration")
	flags.DurationVar(&o.duration, "duration", time.Minute, "how long it takes in all")
	flags.IntVar(&o.clients, "clients", 8, "client processes")
	flags.Uint64Var(&o.seed, "seed", 0, "of faults and clients; 0: a random one")
	flags.DurationVar(&o.ttl, "ttl", 1500*time.Millisecond, "TTL of the clients' leases")
	flags.StringVar(&o.keep, "keep", "", "directory that gets the histories, whatever they show")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.stores = strings.Split(*stores, ",")
	for o.seed == 0 {
		o.seed = rand.Uint64N(1 << 32)
	}
	err := o.validate(flags.Args())
	if err != nil {
		fmt.Fprintln(out, "faults:", err)
	}
	return o, err
}

func (o options) validate(rest []string) error {
	known := []string{database.SQLite, database.Postgres}
	for _, store := range o.stores {
		if !slices.Contains(known, store) {
			return fmt.Errorf("there is no store %q: want some of %s", store, strings.Join(known, ","))
		}
	}
	switch {
	case len(rest) > 0:
		return fmt.Errorf("what is %q?", rest[0])
	case o.clients < 2:
		return errors.New("-clients: at least 2")
	case o.share() < 4*o.ttl:
		return fmt.Errorf("-duration: at least %v for each store", 4*o.ttl)
	}
	return nil
}

// share is the time for one store.
func (o options) share() time.Duration { return o.duration / time.Duration(len(o.stores)) }

// run tries one store after the other, prints a table for each, and returns how
// many violations there were.
func run(ctx context.Context, o options, out io.Writer) (violations int, err error) {
	if clock.Boottime() == 0 {
		return 0, errors.New("there is no clock here that processes share: run it on Linux")
	}
	for _, store := range o.stores {
		result, err := try(ctx, o, store)
		if err != nil {
			return violations, fmt.Errorf("%s, seed %d: %w", store, o.seed, err)
		}
		if err := report.Print(out, result); err != nil {
			return violations, err
		}
		violations += len(result.Violations)
	}
	return violations, nil
}
