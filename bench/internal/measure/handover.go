package measure

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/leaseholdgo/leasehold/bench/internal/fleet"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

// handovers compares the time from the call of release in one process until the next
// holder, in another, has the lock.
func handovers(quick bool) Family {
	f := Family{Store: "postgres", Names: []string{"handover_p50"}, Needs: []server.Kind{server.Postgres}}
	if !quick {
		f.Needs = append(f.Needs, server.Redis, server.Etcd)
	}
	f.Take = (*Env).takeHandovers
	return f
}

const (
	// rest comes before each hand-over: both processes have nothing to do.
	rest = 2 * time.Millisecond
	// NotifyFloor is the floor's name among the sides.
	NotifyFloor = "commit + NOTIFY"
)

func (e *Env) takeHandovers(ctx context.Context) (results []Result, err error) {
	url, err := e.Servers.Postgres.Create(ctx, "handover")
	if err != nil {
		return nil, err
	}
	pair, err := openPair(ctx, side.Leasehold, url)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, pair.close()) }()
	floor, err := e.openNotified(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, floor.close()) }()

	var ours, theirs []float64 // the rounds' medians
	for range e.rounds(10, 20) {
		mine, least, err := alternate(ctx, e.pick(15, 50), pair.handOver, floor.handOver)
		if err != nil {
			return nil, err
		}
		ours, theirs = append(ours, stats.Median(mine)), append(theirs, stats.Median(least))
		e.Found.addHandovers(side.Leasehold, mine)
		e.Found.addHandovers(NotifyFloor, least)
	}
	if !e.Quick {
		err = e.otherHandovers(ctx, url)
	}
	return []Result{compare("handover_p50", "µs", ours, theirs)}, err
}

// alternate lets two sides hand over in turns and returns how long each took.
func alternate(ctx context.Context, times int, a, b func(context.Context) (time.Duration, error)) (took, other []float64, err error) {
	for range times {
		x, err := a(ctx)
		if err != nil {
			return nil, nil, err
		}
		y, err := b(ctx)
		if err != nil {
			return nil, nil, err
		}
		took, other = append(took, microseconds(x)), append(other, microseconds(y))
	}
	return took, other, nil
}

func microseconds(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// otherHandovers measures the sides that are in the tables only.
func (e *Env) otherHandovers(ctx context.Context, url string) error {
	for name, at := range map[string]string{
		side.ByHand: url, side.RedsyncOf: e.Servers.Redis.Addr, side.EtcdOf: e.Servers.Etcd.Addr,
	} {
		pair, err := openPair(ctx, name, at)
		if err != nil {
			return err
		}
		var took []float64
		for range 150 {
			d, err := pair.handOver(ctx)
			if err != nil {
				return errors.Join(fmt.Errorf("%s: %w", name, err), pair.close())
			}
			took = append(took, microseconds(d))
		}
		e.Found.addHandovers(name, took)
		if err := pair.close(); err != nil {
			return err
		}
	}
	return nil
}

// pair is a side in this process, and the same in another one, which follows it.
type pair struct {
	here     side.Side
	follower *fleet.Process
}

func openPair(ctx context.Context, name, at string) (*pair, error) {
	here, err := side.Open(ctx, name, at, 1)
	if err != nil {
		return nil, err
	}
	follower, err := fleet.Launch(ctx, followerRole, 1, func(int) any { return followerConfig{name, at} })
	if err != nil {
		return nil, errors.Join(err, here.Close())
	}
	return &pair{here: here, follower: follower[0]}, nil
}

// handOver lets the other process wait for a name that this one holds, releases it, and
// returns how long it took until the other one held it.
func (p *pair) handOver(ctx context.Context) (time.Duration, error) {
	const name = "a"
	release, err := p.here.Acquire(ctx, name)
	if err != nil {
		return 0, err
	}
	if err := p.follower.Send(name); err != nil {
		return 0, err
	}
	if err := p.queued(ctx, name); err != nil {
		return 0, err
	}
	pause(ctx, rest)
	start := time.Now()
	if err := release(ctx); err != nil {
		return 0, err
	}
	held, err := p.follower.Instant()
	if err != nil {
		return 0, err
	}
	_, err = p.follower.Instant() // it has released
	return held.Sub(start), err
}

// queued waits until the other process waits. Only ours can tell; to others it gives
// time, at random, so that the release comes at any point between two of their polls.
func (p *pair) queued(ctx context.Context, name string) error {
	ours, ok := p.here.(*side.Ours)
	if !ok {
		pause(ctx, 20*time.Millisecond+rand.N(200*time.Millisecond))
		return ctx.Err()
	}
	for {
		info, err := ours.Get(ctx, name)
		if err != nil || len(info.Waiters) == 1 {
			return err
		}
	}
}

func (p *pair) close() error { return errors.Join(p.follower.Close(), p.here.Close()) }

// followerConfig says which side the other process is on, and where.
type followerConfig struct{ Side, At string }

// follow acquires each name it is sent, and reports when it holds it and when it has
// released it.
func follow(ctx context.Context, parent *fleet.Parent) (err error) {
	var cfg followerConfig
	if err := parent.Config(&cfg); err != nil {
		return err
	}
	s, err := side.Open(ctx, cfg.Side, cfg.At, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := parent.Now(); err != nil {
		return err
	}
	for {
		var name string
		if more, err := parent.Next(&name); !more {
			return err
		}
		release, err := s.Acquire(ctx, name)
		if err := errors.Join(err, parent.Now()); err != nil {
			return err
		}
		if err := errors.Join(release(ctx), parent.Now()); err != nil {
			return err
		}
	}
}
