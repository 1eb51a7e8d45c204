package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"slices"
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
	out     string
	render  bool
}

func parse(args []string, stderr io.Writer) (options, error) {
	o := options{run: regexp.MustCompile("")}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.quick, "quick", false, "take each measure briefly: a minute in all")
	flags.BoolVar(&o.json, "json", false, "print one JSON object for each measure")
	flags.IntVar(&o.rounds, "rounds", 0, "how often each side has its `turn` (default: as each measure needs)")
	flags.StringVar(&o.profile, "pprof", "", "write processor profiles of our side of cycle_* to this `directory`")
	flags.StringVar(&o.out, "out", "", "write the document and its plots to this `directory`; needs a whole run")
	flags.BoolVar(&o.render, "render", false, "measure nothing: write the document again from the figures in -out")
	flags.Func("run", "take the measures that match this `regexp` only", func(s string) (err error) {
		o.run, err = regexp.Compile(s)
		return err
	})
	stores := flags.String("stores", "postgres,sqlite,mysql", "take the measures of these `stores` only")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	o.stores = strings.Split(*stores, ",")
	err := o.check(flags)
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
	}
	return o, err
}

func (o options) check(flags *flag.FlagSet) error {
	partly := o.quick || o.run.String() != "" || !slices.Contains(o.stores, "postgres") || !slices.Contains(o.stores, "sqlite")
	switch {
	case flags.NArg() > 0:
		return fmt.Errorf("%q is not a flag", flags.Arg(0))
	case o.render && o.out == "":
		return errors.New("-render needs -out")
	case o.out != "" && partly:
		return errors.New("-out needs a whole run: no -quick, -run or -stores")
	}
	return nil
}
