package main

import (
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// options is what the command line says.
type options struct {
	quick   bool
	json    bool
	run     *regexp.Regexp
	stores  []string
	rounds  int
	profile string
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{run: regexp.MustCompile("")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "take each measure briefly: a minute in all")
	flags.BoolVar(&o.json, "json", false, "print one JSON object for each measure")
	flags.IntVar(&o.rounds, "rounds", 0, "how often each side has its `turn` (default: as each measure needs)")
	flags.StringVar(&o.profile, "pprof", "", "write processor profiles of our side of cycle_* to this `directory`")
	flags.Func("run", "take the measures that match this `regexp` only", func(s string) (err error) {
		o.run, err = regexp.Compile(s)
		return err
	})
	stores := flags.String("stores", "postgres,sqlite", "take the measures of these `stores` only")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		err := fmt.Errorf("%q is not a flag", flags.Arg(0))
		fmt.Fprintln(stderr, "bench:", err)
		return o, err
	}
	o.stores = strings.Split(*stores, ",")
	return o, nil
}
