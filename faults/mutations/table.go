//go:build mutation

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/internal/explore"
	"github.com/leaseholdgo/leasehold/internal/mutation"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// address is the variable that tells a scenario's process where the server is. It is no
// argument: there is a password in it.
const address = "LEASEHOLD_MUTATION_SERVER"

// row is one line of the table.
type row struct {
	mutation mutation.Name
	broken   *outcome // nil: there is no scenario
	intact   *outcome
	found    *explore.Result // nil: it is no rule of the explorer's
}

// runAll prints the table. Two scenarios run at a time: most of their time they wait.
func runAll(ctx context.Context, out io.Writer) (err error) {
	server, err := pgserver.Start(ctx, pgserver.Config{Settings: map[string]string{"fsync": "off"}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	rows := make([]*row, 0, len(mutation.All()))
	for _, name := range mutation.All() {
		rows = append(rows, &row{mutation: name})
	}
	failures := make([]error, len(rows))
	var wg sync.WaitGroup
	turns := make(chan struct{}, 2)
	for i, r := range rows {
		wg.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			failures[i] = r.play(ctx, server.URL())
		})
	}
	intact := exploreIntact(out)
	for _, r := range rows {
		r.explore()
	}
	wg.Wait()
	fmt.Fprintln(out, "| mutation | intact | broken | the checker finds | after | the explorer finds | after |")
	fmt.Fprintln(out, "| --- | --- | --- | --- | --- | --- | --- |")
	for i, r := range rows {
		fmt.Fprintln(out, r)
		failures[i] = errors.Join(failures[i], r.verdict())
	}
	return errors.Join(intact, errors.Join(failures...))
}

// play runs the scenario in two processes, one with the mutation and one without.
func (r *row) play(ctx context.Context, url string) (err error) {
	if !slices.ContainsFunc(scenarios, func(s scenario) bool { return s.mutation == r.mutation }) {
		return nil
	}
	if r.broken, err = process(ctx, url, r.mutation, r.mutation, rounds); err != nil {
		return fmt.Errorf("%s: %w", r.mutation, err)
	}
	if r.intact, err = process(ctx, url, r.mutation, "", min(r.broken.Rounds, 2)); err != nil {
		return fmt.Errorf("%s, left out: %w", r.mutation, err)
	}
	return nil
}

func process(ctx context.Context, url string, scenario, broken mutation.Name, most int) (*outcome, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	schema := strings.ReplaceAll(string(scenario), "-", "_") + "_" + cmp.Or(string(broken[:min(1, len(broken))]), "intact")
	cmd := exec.CommandContext(ctx, self, "act", string(scenario), schema, strconv.Itoa(most))
	cmd.Env = append(os.Environ(), address+"="+url, mutation.Variable+"="+string(broken))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	var o outcome
	return &o, json.Unmarshal(text, &o)
}

// most is how many states are explored of each world where nothing is broken, and
// deepest how many until a mutation must be caught.
const most, deepest = 50_000, 600_000

// exploreIntact prints how far all worlds were explored without a mutation.
func exploreIntact(out io.Writer) error {
	var errs []error
	for _, bounds := range explore.Worlds() {
		bounds.MaxStates = most
		r := explore.Run(bounds)
		if fmt.Fprintf(out, "- %v\n", r); r.Broken != "" {
			errs = append(errs, fmt.Errorf("%s: %s\n%s", bounds.Name, r.Broken, r.Trace()))
		}
	}
	fmt.Fprintln(out)
	return errors.Join(errs...)
}

// explore looks for a broken rule in the world where the mutation is caught soonest.
func (r *row) explore() {
	world, ok := worlds[r.mutation]
	if !ok {
		return
	}
	i := slices.IndexFunc(explore.Worlds(), func(b explore.Bounds) bool { return b.Name == world })
	bounds := explore.Worlds()[i]
	bounds.MaxStates = deepest
	mutation.Pick(r.mutation)
	defer mutation.Pick("")
	found := explore.Run(bounds)
	r.found = &found
}

// worlds are where the explorer catches those mutations that are rules of its own. The
// others break single statements.
var worlds = map[mutation.Name]string{
	mutation.NoMargin:             "expiry",
	mutation.FenceOutsideLock:     "expiry",
	mutation.TakeOverFromAnybody:  "queue",
	mutation.SequenceIDs:          "failover",
	mutation.NoGrace:              "failover",
	mutation.IgnoreEpochAndNotice: "revocation",
	mutation.AnchorAtReceipt:      "expiry",
	mutation.ReviveDeadLease:      "expiry",
	mutation.BelieveStaleGrants:   "news",
	mutation.BelieveMarkedGrants:  "news",
	mutation.ObserverTTL:          "expiry",
	mutation.KeepSightings:        "expiry",
	mutation.SharedOvertakes:      "shared",
	mutation.ServeDespiteMembers:  "shared",
	mutation.ReleaseEndsMinHold:   "minimum hold",
}

// verdict returns what of the mutation was not caught, or what was found without it.
func (r *row) verdict() error {
	var errs []error
	if r.broken != nil && !r.broken.Expected {
		errs = append(errs, fmt.Errorf("%s: the checker does not find what was expected: %q", r.mutation, r.broken.Violations))
	}
	if r.intact != nil && len(r.intact.Violations) > 0 {
		errs = append(errs, fmt.Errorf("%s, left out: %s", r.mutation, r.intact.Violations[0]))
	}
	if r.found != nil && r.found.Broken == "" {
		errs = append(errs, fmt.Errorf("%s: the explorer finds nothing in %v", r.mutation, r.found))
	}
	if r.broken == nil && r.found == nil {
		errs = append(errs, fmt.Errorf("%s: nobody looks for it", r.mutation))
	}
	return errors.Join(errs...)
}

func (r *row) String() string {
	cells := []string{string(r.mutation), "", "", "", "", "", ""}
	if r.broken != nil {
		cells[2] = strconv.Itoa(len(r.broken.Violations))
		cells[4] = fmt.Sprintf("%.1f s", r.broken.Took.Seconds())
		for i, kind := range r.broken.Kinds {
			if i > 0 {
				cells[3] += ", "
			}
			cells[3] += string(kind)
		}
	}
	if r.intact != nil {
		cells[1] = strconv.Itoa(len(r.intact.Violations))
	}
	if r.found != nil {
		cells[5] = strings.TrimPrefix(r.found.Broken, "later: ")
		cells[6] = fmt.Sprintf("%d states, %d steps", r.found.States, len(r.found.Steps))
	}
	return "| " + strings.Join(cells, " | ") + " |"
}
