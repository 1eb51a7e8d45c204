package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/nemesis"
)

// options are the command line.
type options struct {
	duration time.Duration
	url      string
	stores   []string
	scenes   []string
	nemeses  []string
	clients  int
	seed     uint64
	ttl      time.Duration
	keep     string
	noGrace  bool

	operations, faults int // fewer are an error
}

func parse(args []string, out io.Writer) (options, error) {
	flags := flag.NewFlagSet("faults", flag.ContinueOnError)
	flags.SetOutput(out)
	var o options
	stores := flags.String("stores", join(knownStores()), "the stores")
	scenes := flags.String("scenes", join(sceneNames()), "the scenes, each for its share of the duration")
	nemeses := flags.String("nemeses", join(nemesis.Names()), "what may be done; each scene does what is possible in it")
	flags.StringVar(&o.url, "url", "", "a PostgreSQL database of yours, instead of servers that this starts")
	flags.DurationVar(&o.duration, "duration", time.Minute, "how long it takes in all")
	flags.IntVar(&o.clients, "clients", 8, "client processes")
	flags.Uint64Var(&o.seed, "seed", 0, "of faults and clients; 0: a random one")
	flags.DurationVar(&o.ttl, "ttl", 1500*time.Millisecond, "TTL of the clients' leases")
	flags.StringVar(&o.keep, "keep", "", "directory that gets the histories, whatever they show")
	flags.BoolVar(&o.noGrace, "no-grace", false, "grant at once after a failover, to see that it matters")
	flags.IntVar(&o.operations, "least-operations", 0, "fail if there were fewer operations")
	flags.IntVar(&o.faults, "least-faults", 0, "fail if there were fewer faults")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.stores, o.scenes, o.nemeses = split(*stores), split(*scenes), split(*nemeses)
	for o.seed == 0 {
		o.seed = rand.Uint64N(1 << 32)
	}
	err := o.validate(flags.Args())
	if err != nil {
		fmt.Fprintln(out, "faults:", err)
	}
	return o, err
}

func knownStores() []string {
	return []string{database.SQLite, database.Postgres, database.Session, database.MariaDB, database.MySQLSession}
}

func join(list []string) string  { return strings.Join(list, ",") }
func split(list string) []string { return strings.Split(list, ",") }

func (o options) validate(rest []string) error {
	err := errors.Join(known("store", o.stores, knownStores()), known("scene", o.scenes, sceneNames()),
		known("nemesis", o.nemeses, nemesis.Names()))
	if err != nil {
		return err
	}
	some := o.chosen(o.seed)
	switch {
	case len(rest) > 0:
		return fmt.Errorf("what is %q?", rest[0])
	case o.clients < 2:
		return errors.New("-clients: at least 2")
	case len(some) == 0:
		return errors.New("no scene is left")
	case o.duration/time.Duration(len(some)) < 4*o.ttl:
		return fmt.Errorf("-duration: at least %v for each of %d scenes", 4*o.ttl, len(some))
	}
	return nil
}

func known(what string, given, known []string) error {
	for _, name := range given {
		if !slices.Contains(known, name) {
			return fmt.Errorf("there is no %s %q: want some of %s", what, name, join(known))
		}
	}
	return nil
}

// planned is one trial to be made.
type planned struct {
	options
	scene  scene
	length time.Duration
}

// longestTrial is how long one trial is, at the most: its history is checked as a
// whole.
const longestTrial = 5 * time.Minute

// plan divides the duration.
func (o options) plan() []planned {
	scenes := len(o.chosen(o.seed))
	rounds := 1 + int((o.duration-1)/longestTrial)/scenes
	var all []planned
	for round := range rounds {
		o := o
		o.seed += uint64(round)
		for _, s := range o.chosen(o.seed) {
			all = append(all, planned{o, s, o.duration / time.Duration(rounds*scenes)})
		}
	}
	return all
}
