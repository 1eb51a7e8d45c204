//go:build mutation

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/check"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// outcome is what one run of a scenario has shown, in one process.
type outcome struct {
	Rounds     int
	Took       time.Duration
	Violations []string
	Kinds      []check.Kind // of the violations
	Expected   bool         // one of them is of the kind expected
}

// act plays a scenario until the checker finds something, at the most for so many
// rounds, and writes the outcome.
func act(ctx context.Context, name mutation.Name, url, schema, times string, out io.Writer) error {
	most, err := strconv.Atoi(times)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(scenarios, func(s scenario) bool { return s.mutation == name })
	if i < 0 {
		return fmt.Errorf("there is no scenario for %q", name)
	}
	chosen := scenarios[i]
	s, err := openStage(ctx, url, schema, chosen)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.exec(`CREATE SEQUENCE leasehold.lease_id`); err != nil {
		return err
	}
	started := time.Now()
	var result outcome
	for ; result.Rounds < most && len(result.Violations) == 0; result.Rounds++ {
		s.name = lockName(result.Rounds)
		if err := chosen.play(s); err != nil {
			return err
		}
		found, err := s.judge()
		if err != nil {
			return err
		}
		for _, v := range found {
			result.Violations = append(result.Violations, v.String())
			if !slices.Contains(result.Kinds, v.Kind) {
				result.Kinds = append(result.Kinds, v.Kind)
			}
			result.Expected = result.Expected || v.Kind == check.Kind(chosen.breaks)
		}
	}
	result.Took = time.Since(started)
	return json.NewEncoder(out).Encode(result)
}
