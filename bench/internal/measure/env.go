package measure

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/server"
)

// Env is what measures are taken with.
type Env struct {
	Servers *server.Set
	Quick   bool
	Rounds  int       // of each comparison; 0: as many as the measure thinks right
	Profile string    // the directory for profiles; empty: none are taken
	Found   *Findings // gets what the tables and plots need
}

// rounds returns how often each side has its turn.
func (e *Env) rounds(quick, full int) int { return cmp.Or(e.Rounds, e.pick(quick, full)) }

func (e *Env) pick(quick, full int) int {
	if e.Quick {
		return quick
	}
	return full
}

// window returns how long a turn is.
func (e *Env) window(quick, full time.Duration) time.Duration {
	if e.Quick {
		return quick
	}
	return full
}

// contestant is one side of a comparison.
type contestant struct {
	name string
	turn func(ctx context.Context) (float64, error)
}

// contest lets the sides take turns and returns what each reached in each round.
func (e *Env) contest(ctx context.Context, rounds int, sides []contestant) (map[string][]float64, error) {
	reached := map[string][]float64{}
	for range rounds {
		for _, side := range sides {
			value, err := side.turn(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", side.name, err)
			}
			reached[side.name] = append(reached[side.name], value)
		}
	}
	return reached, nil
}
