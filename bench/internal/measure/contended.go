package measure

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

const handoversPerSecond = "hand-overs/s"

// contended8 compares how often 8 processes hand one name over, and how evenly.
func contended8() Family {
	return Family{
		Store: "postgres", Names: []string{"contended_8", "contended_8_share"},
		Needs: []server.Kind{server.Postgres}, Take: (*Env).takeContended8,
	}
}

func (e *Env) takeContended8(ctx context.Context) (results []Result, err error) {
	ours, err := e.launchOn(ctx, "contended_8", 8, launchContenders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, ours.Close()) }()
	floor, err := e.launchOn(ctx, "contended_8_floor", 8, launchRelay)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, floor.Close()) }()

	length := e.window(400*time.Millisecond, 2*time.Second)
	shares := make([]float64, len(ours))
	reached, err := e.contest(ctx, e.rounds(4, 10), []contestant{
		{side.Leasehold, func(context.Context) (float64, error) {
			counts, err := shiftOf(ours, length, length, func(int) string { return "hot" })
			for i := range counts {
				shares[i] += sum(counts[i])
			}
			return totalOf(counts) / length.Seconds(), err
		}},
		{NotifyFloor, func(context.Context) (float64, error) {
			counts, err := shiftOf(floor, length, length, func(int) string { return "" })
			return totalOf(counts) / length.Seconds(), err
		}},
	})
	if err != nil {
		return nil, err
	}
	uneven := slices.Max(shares) / slices.Min(shares)
	return []Result{
		compare("contended_8", handoversPerSecond, reached[side.Leasehold], reached[NotifyFloor]),
		compare("contended_8_share", "largest/smallest", []float64{uneven}, []float64{1}),
	}, nil
}

// contended4x4 compares how often 16 processes hand over when 4 each share one of 4 names,
// and when all share one.
func contended4x4() Family {
	return Family{
		Store: "postgres", Names: []string{"contended_4x4"},
		Needs: []server.Kind{server.Postgres}, Take: (*Env).takeContended4x4,
	}
}

func (e *Env) takeContended4x4(ctx context.Context) (results []Result, err error) {
	processes, err := e.launchOn(ctx, "contended_4x4", 16, launchContenders)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, processes.Close()) }()
	length := e.window(400*time.Millisecond, 2*time.Second)
	turn := func(names int) contestant {
		return contestant{fmt.Sprint(names), func(context.Context) (float64, error) {
			counts, err := shiftOf(processes, length, length, func(i int) string { return side.Name(i % names) })
			return totalOf(counts) / length.Seconds(), err
		}}
	}
	reached, err := e.contest(ctx, e.rounds(3, 10), []contestant{turn(4), turn(1)})
	if err != nil {
		return nil, err
	}
	return []Result{compare("contended_4x4", handoversPerSecond, reached["4"], reached["1"])}, nil
}

// launchOn makes a database and starts processes on it.
func (e *Env) launchOn(ctx context.Context, database string, n int,
	launch func(ctx context.Context, url string, n int) (fleet.Fleet, error),
) (fleet.Fleet, error) {
	url, err := e.Servers.Postgres.Create(ctx, database)
	if err != nil {
		return nil, err
	}
	return launch(ctx, url, n)
}

// launchContenders starts processes of ours.
func launchContenders(ctx context.Context, url string, n int) (fleet.Fleet, error) {
	return fleet.Launch(ctx, contenderRole, n, func(int) any { return followerConfig{side.Leasehold, url} })
}

// launchRelay starts the ring of the floor.
func launchRelay(ctx context.Context, url string, n int) (fleet.Fleet, error) {
	return fleet.Launch(ctx, relayRole, n, func(i int) any { return relayConfig{url, i, (i + 1) % n} })
}

// settling is how long a shift is under way before it counts.
const settling = 150 * time.Millisecond

// shiftOf lets all processes work for a length of time, each on a name, and returns what
// each counted in each slice of it.
func shiftOf(processes fleet.Fleet, length, slice time.Duration, name func(i int) string) ([][]int, error) {
	from := time.Now().Add(settling)
	s := shift{From: from.UnixNano(), To: from.Add(length).UnixNano(), Slice: slice, Round: fmt.Sprint(from.UnixNano())}
	for i, p := range processes {
		s.Name, s.First = name(i), i == 0
		if err := p.Send(s); err != nil {
			return nil, err
		}
	}
	counts := make([][]int, len(processes))
	for i, p := range processes {
		if err := p.Receive(&counts[i]); err != nil {
			return nil, err
		}
	}
	if totalOf(counts) == 0 {
		return nil, errors.New("nothing was handed over")
	}
	return counts, nil
}

func totalOf(counts [][]int) float64 {
	var total float64
	for _, c := range counts {
		total += sum(c)
	}
	return total
}

func sum(counts []int) float64 {
	var s float64
	for _, n := range counts {
		s += float64(n)
	}
	return s
}

// perSlice returns the rate of all processes together in each slice.
func perSlice(counts [][]int, slice time.Duration) []float64 {
	rates := make([]float64, len(counts[0]))
	for _, c := range counts {
		for i, n := range c {
			rates[i] += float64(n) / slice.Seconds()
		}
	}
	return rates
}

// within returns the mean of the slices from one instant of the shift to another.
func within(rates []float64, slice, from, to time.Duration) float64 {
	part := rates[from/slice : min(int(to/slice), len(rates))]
	return stats.Mean(part)
}
