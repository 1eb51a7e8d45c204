package measure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

const perSecond = "cycles/s"

// cycles compares what n goroutines of one process do, each acquiring and releasing a
// name of its own again and again.
func cycles(quick bool, n int, names ...string) Family {
	f := Family{Store: "postgres", Names: names, Needs: []server.Kind{server.Postgres}}
	if !quick || n >= 512 {
		f.Needs = append(f.Needs, server.Redis)
	}
	if !quick {
		f.Needs = append(f.Needs, server.Etcd)
	}
	f.Take = func(e *Env, ctx context.Context) ([]Result, error) { return e.takeCycles(ctx, n, f.Needs) }
	return f
}

func (e *Env) takeCycles(ctx context.Context, n int, servers []server.Kind) (results []Result, err error) {
	a := &arena{env: e, goroutines: n, floors: map[string]int{}, window: e.window(250*time.Millisecond, time.Second)}
	defer func() { err = errors.Join(err, a.close()) }()
	if err := a.open(ctx, servers); err != nil {
		return nil, err
	}
	reached, err := e.contest(ctx, e.rounds(4, 9), a.sides)
	if err != nil {
		return nil, err
	}
	best := slices.MaxFunc(slices.Collect(maps.Keys(a.floors)), func(x, y string) int {
		return cmp.Compare(stats.Median(reached[x]), stats.Median(reached[y]))
	})
	for _, s := range a.sides {
		e.Found.addThroughput(s.name, n, a.floors[s.name], reached[s.name])
	}
	results = append(results, compare(fmt.Sprint("cycle_g", n), perSecond, reached[side.Leasehold], reached[best]))
	if n == 512 {
		results = append(results, compare("cycle_g512_vs_redsync", perSecond, reached[side.Leasehold], reached[side.RedsyncOf]))
	}
	return results, a.profile(ctx)
}

// arena is the sides of one comparison of cycles, and what they have open.
type arena struct {
	env        *Env
	goroutines int
	window     time.Duration
	sides      []contestant
	floors     map[string]int // the connections of those sides that are floors
	opened     []io.Closer
}

// open opens our side, the floors, and those that lock on other servers or otherwise
// on ours.
func (a *arena) open(ctx context.Context, servers []server.Kind) error {
	url, err := a.env.Servers.Postgres.Create(ctx, fmt.Sprint("cycle_g", a.goroutines))
	if err != nil {
		return err
	}
	if err := a.add(ctx, side.Leasehold, url); err != nil {
		return err
	}
	floorURL, err := a.env.Servers.Postgres.Create(ctx, fmt.Sprint("floor_g", a.goroutines))
	if err != nil {
		return err
	}
	for _, connections := range a.floorConnections() {
		if err := a.addFloor(ctx, floorURL, connections); err != nil {
			return err
		}
	}
	if slices.Contains(servers, server.Redis) {
		if err := a.add(ctx, side.RedsyncOf, a.env.Servers.Redis.Addr); err != nil {
			return err
		}
	}
	if slices.Contains(servers, server.Etcd) {
		if err := a.add(ctx, side.EtcdOf, a.env.Servers.Etcd.Addr); err != nil {
			return err
		}
		return a.add(ctx, side.ByHand, floorURL)
	}
	return nil
}

// floorConnections returns the numbers of connections of the floors: as many as
// goroutines, up to 32; beyond that, the best of several numbers counts.
func (a *arena) floorConnections() []int {
	switch {
	case a.goroutines <= 32:
		return []int{a.goroutines}
	case a.env.Quick:
		return []int{8, 32, 64}
	}
	return []int{1, 8, 32, 64}
}

func (a *arena) addFloor(ctx context.Context, url string, connections int) error {
	floor, err := side.OpenFloor(ctx, url, connections)
	if err != nil {
		return err
	}
	a.opened = append(a.opened, floor)
	name := fmt.Sprint("floor ", connections)
	a.floors[name] = connections
	a.sides = append(a.sides, contestant{name, func(ctx context.Context) (float64, error) {
		return rate(ctx, connections, a.window, floor.Cycle)
	}})
	return nil
}

// add adds a side, after each goroutine's name has been locked once: what a name's
// first lock costs is not measured.
func (a *arena) add(ctx context.Context, name, at string) error {
	s, err := side.Open(ctx, name, at, a.goroutines)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.opened = append(a.opened, s)
	do := cycleOf(s)
	if err := once(ctx, a.goroutines, func(ctx context.Context, i int) error { return do(ctx, i, func() {}) }); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	a.sides = append(a.sides, contestant{name, func(ctx context.Context) (float64, error) {
		return rate(ctx, a.goroutines, a.window, do)
	}})
	return nil
}

// cycleOf returns what goroutine i does: it acquires its name and releases it.
func cycleOf(s side.Side) cycle {
	return func(ctx context.Context, i int, half func()) error {
		release, err := s.Acquire(ctx, side.Name(i))
		if err != nil {
			return err
		}
		half()
		return release(ctx)
	}
}

func (a *arena) close() error {
	var errs []error
	for _, o := range slices.Backward(a.opened) {
		errs = append(errs, o.Close())
	}
	return errors.Join(errs...)
}
