// Package nemesis does harm, at random but by a seed: to client processes and to
// the server. Every fault is noted in the history.
package nemesis

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/cluster"
	"github.com/leaseholdgo/leasehold/faults/internal/fleet"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// Config says what is harmed.
type Config struct {
	Fleet   *fleet.Fleet
	Places  int
	Cluster *cluster.Cluster // nil: the database is embedded
	Names   []string         // the kinds of faults, of Names; those that are not possible are left out
	Steps   time.Duration    // how far the database's clock is moved either way
	Disk    bool             // the database's disk may be filled
	History *history.Writer
	Seed    uint64
	TTL     time.Duration
}

// nemesis is one source of faults. Two are at work: one harms clients and their
// networks, and goes on while the other harms what all of them use.
type nemesis struct {
	Config
	*shared
	r *rand.Rand
}

// shared is what both sources have in common.
type shared struct {
	wg   sync.WaitGroup // faults that last
	busy chan struct{}  // holds one element for each place being harmed

	mu  sync.Mutex // guards the field below
	err error      // failures to do harm; the first ends the run
}

// victims is how many places are harmed at a time, at the most.
func (c Config) victims() int {
	if c.Cluster == nil {
		return c.Places / 4
	}
	return c.Places / 2
}

// ofClients returns what may happen to clients, and ofServer to what all of them
// use.
func (c Config) ofClients() []kind {
	some := slices.DeleteFunc(c.chosen(), func(k kind) bool { return k.server })
	if c.Cluster == nil {
		return embedded(some)
	}
	return some
}

func (c Config) ofServer() []kind {
	return slices.DeleteFunc(c.chosen(), func(k kind) bool { return !k.server })
}

// round is how long the server is left in peace, in turn with rounds in which it is
// not: transactions of stopped clients do not outlive an outage, and they are what
// tries the guard.
const round = 4 * time.Second

// Run does harm until ctx ends, and then heals everything. An error means that it
// could not do what it meant to, and not that something broke by it.
func Run(ctx context.Context, cfg Config) error {
	s := &shared{busy: make(chan struct{}, max(1, cfg.victims()))}
	started := time.Now()
	always := func() bool { return true }
	inTurn := func() bool { return time.Since(started)/round%2 == 1 }
	var sources sync.WaitGroup
	for stream, of := range []struct {
		kinds []kind
		now   func() bool
	}{{cfg.ofClients(), always}, {cfg.ofServer(), inTurn}} {
		n := &nemesis{Config: cfg, shared: s, r: rand.New(rand.NewPCG(cfg.Seed, uint64(stream)))}
		sources.Go(func() { n.run(ctx, of.kinds, of.now) })
	}
	sources.Wait()
	s.wg.Wait()
	return s.failure()
}

// run lets faults of some kinds come, at instants when they may.
func (n *nemesis) run(ctx context.Context, kinds []kind, now func() bool) {
	for n.failure() == nil && backoff.Sleep(ctx, n.between(50*time.Millisecond, 300*time.Millisecond)) && ctx.Err() == nil {
		if k := n.pick(kinds); k.run != nil && now() {
			k.run(n, ctx)
		}
	}
}

// pick returns one of the kinds, or none if there are none.
func (n *nemesis) pick(kinds []kind) kind {
	total := 0
	for _, k := range kinds {
		total += k.weight
	}
	if total == 0 {
		return kind{}
	}
	at := n.r.IntN(total)
	for _, k := range kinds {
		if at -= k.weight; at < 0 {
			return k
		}
	}
	return kind{} // not reached
}

func (n *nemesis) between(from, to time.Duration) time.Duration {
	return from + time.Duration(n.r.Int64N(int64(to-from)))
}

// try notes that harm could not be done, which ends the run.
func (s *shared) try(err error) {
	if err == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = errors.Join(s.err, err)
}

// attempt is try for what may fail because ctx has ended.
func (s *shared) attempt(ctx context.Context, err error) {
	if ctx.Err() == nil {
		s.try(err)
	}
}

func (s *shared) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (n *nemesis) note(kind history.Kind, detail string) {
	n.History.Record(history.Event{Kind: kind, Detail: detail})
}
