// Command bench measures Leasehold beside what it could replace, and beside the least
// that the database can do.
//
//	go run ./bench -quick
//	go run ./bench -quick -json -run 'cycle_g(1|32)$' -pprof .
//
// It starts servers of its own and removes them; as root on a Debian system it first
// installs those that are missing. With -json it prints one object for each measure:
//
//	{"name": ..., "ours": ..., "floor": ..., "ratio": ..., "unit": ..., "low": ..., "high": ...}
//
// The sides of a comparison take turns in short rounds. The ratio is the median of the
// rounds' ratios; low and high are the extremes. docs/benchmarks.md says what each
// measure is.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/measure"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if played, err := fleet.Play(ctx, os.Args, measure.Roles()); played {
		exit(err)
	}
	o, err := parse(os.Args[1:], os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(2)
	}
	exit(run(ctx, o, os.Stdout, os.Stderr))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
