package measure

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

const perSecond = "cycles/s"

// The names of the sides.
const (
	ours    = "leasehold"
	redsync = "redsync"
)

// cycles compares what n goroutines of one process do, each acquiring and releasing a
// name of its own again and again.
func cycles(quick bool, n int, names ...string) Family {
	f := Family{Store: "postgres", Names: names, Needs: []server.Kind{server.Postgres}}
	if n >= 512 {
		f.Needs = append(f.Needs, server.Redis)
	}
	f.Take = func(ctx context.Context, e *Env) ([]Result, error) { return e.takeCycles(ctx, n) }
	return f
}

func (e *Env) takeCycles(ctx context.Context, n int) (results []Result, err error) {
	a := &arena{env: e, goroutines: n, window: e.window(300*time.Millisecond, time.Second)}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.open(ctx); err != nil {
		return nil, err
	}
	reached, err := e.contest(ctx, e.rounds(5, 10), a.sides)
	if err != nil {
		return nil, err
	}
	best := slices.MaxFunc(a.floors, func(x, y string) int {
		return int(stats.Median(reached[x]) - stats.Median(reached[y]))
	})
	results = append(results, compare(fmt.Sprint("cycle_g", n), perSecond, reached[ours], reached[best]))
	if n >= 512 {
		results = append(results, compare("cycle_g512_vs_redsync", perSecond, reached[ours], reached[redsync]))
	}
	return results, a.profile(ctx)
}

// arena is the sides of one comparison of cycles, and what they have open.
type arena struct {
	env        *Env
	goroutines int
	window     time.Duration
	sides      []contestant
	floors     []string // which sides are floors
	opened     []io.Closer
}

func (a *arena) open(ctx context.Context) error {
	if err := a.addOurs(ctx); err != nil {
		return err
	}
	url, err := a.env.Servers.Postgres.Create(ctx, fmt.Sprint("floor_g", a.goroutines))
	if err != nil {
		return err
	}
	for _, connections := range floorsFor(a.goroutines) {
		if err := a.addFloor(ctx, url, connections); err != nil {
			return err
		}
	}
	if a.goroutines >= 512 {
		return a.add(ctx, redsync, side.OpenRedsync(a.env.Servers.Redis.Addr, a.goroutines))
	}
	return nil
}

// floorsFor returns the numbers of connections of the floors that n goroutines are
// compared with: as many, up to 32; beyond that, whatever number is best.
func floorsFor(n int) []int {
	if n <= 32 {
		return []int{n}
	}
	return []int{8, 32, 64}
}

func (a *arena) addOurs(ctx context.Context) error {
	url, err := a.env.Servers.Postgres.Create(ctx, fmt.Sprint("cycle_g", a.goroutines))
	if err != nil {
		return err
	}
	client, err := side.OpenPostgres(ctx, url, leasehold.Config{})
	if err != nil {
		return err
	}
	return a.add(ctx, ours, client)
}

func (a *arena) addFloor(ctx context.Context, url string, connections int) error {
	floor, err := side.OpenFloor(ctx, url, connections)
	if err != nil {
		return err
	}
	a.opened = append(a.opened, floor)
	name := fmt.Sprint("floor ", connections)
	a.floors = append(a.floors, name)
	a.sides = append(a.sides, contestant{name, func(ctx context.Context) (float64, error) {
		return rate(ctx, connections, a.window, floor.Cycle)
	}})
	return nil
}

// add adds a side, after each goroutine's name has been locked once: what a name's
// first lock costs is not measured.
func (a *arena) add(ctx context.Context, name string, s side.Side) error {
	a.opened = append(a.opened, s)
	cycle := func(ctx context.Context, i int) error {
		release, err := s.Acquire(ctx, side.Name(i))
		if err != nil {
			return err
		}
		return release(ctx)
	}
	if err := once(ctx, a.goroutines, cycle); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.sides = append(a.sides, contestant{name, func(ctx context.Context) (float64, error) {
		return rate(ctx, a.goroutines, a.window, cycle)
	}})
	return nil
}

func (a *arena) close() error {
	var errs []error
	for _, o := range slices.Backward(a.opened) {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}
