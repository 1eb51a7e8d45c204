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

	"github.com/leaseholdgo/leasehold/faults/internal/fleet"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Server is a database server that can be harmed.
type Server interface {
	// Terminate ends some sessions of clients at random.
	Terminate(ctx context.Context) error
	// Crash kills the server, and leaves it down.
	Crash() error
	// Stop stops the server in good order, and leaves it down.
	Stop() error
	// Restart starts it again.
	Restart(ctx context.Context) error
}

// Config says what is harmed.
type Config struct {
	Fleet   *fleet.Fleet
	Places  int
	Server  Server // nil: the database is embedded
	History *history.Writer
	Seed    uint64
	TTL     time.Duration
}

// nemesis is the sources of faults of one run.
type nemesis struct {
	Config
	r    *rand.Rand
	wg   sync.WaitGroup // faults that last
	busy chan struct{}  // holds one element for each place being harmed

	mu  sync.Mutex
	err error // failures to do harm; the first ends the run
}

// fault is one kind of fault, with how often it comes in relation to others.
type fault struct {
	weight int
	run    func(*nemesis, context.Context)
}

var (
	ofClients = []fault{
		{4, (*nemesis).stop},
		{8, (*nemesis).stopInside},
		{4, (*nemesis).kill},
	}
	// A process of an embedded database keeps its locks while it is stopped, but
	// not when it is killed.
	ofEmbedded = []fault{
		{4, (*nemesis).stop},
		{2, (*nemesis).stopInside},
		{8, (*nemesis).kill},
	}
	ofServers = []fault{
		{5, (*nemesis).terminate},
		{1, (*nemesis).crash},
		{1, (*nemesis).restart},
	}
)

// victims is how many places are harmed at a time, at the most.
func (c Config) victims() int {
	if c.Server == nil {
		return c.Places / 4
	}
	return c.Places / 2
}

// faults returns what may happen at an instant of the run.
func (c Config) faults(elapsed time.Duration) []fault {
	switch {
	case c.Server == nil:
		return ofEmbedded
	case elapsed/round%2 == 0:
		return ofClients
	default:
		return slices.Concat(ofClients, ofServers)
	}
}

// round is how long the server is left in peace, in turn with rounds in which it is
// not: transactions of stopped clients do not outlive an outage, and they are what
// tries the guard.
const round = 4 * time.Second

// Run does harm until ctx ends, and then heals everything. An error means that it
// could not do what it meant to, and not that something broke by it.
func Run(ctx context.Context, cfg Config) error {
	n := &nemesis{Config: cfg, r: rand.New(rand.NewPCG(cfg.Seed, 0)), busy: make(chan struct{}, max(1, cfg.victims()))}
	started := time.Now()
	for n.failure() == nil && n.wait(ctx, n.between(50*time.Millisecond, 300*time.Millisecond)) {
		n.pick(cfg.faults(time.Since(started))).run(n, ctx)
	}
	n.wg.Wait()
	return n.failure()
}

func (n *nemesis) pick(faults []fault) fault {
	total := 0
	for _, f := range faults {
		total += f.weight
	}
	at := n.r.IntN(total)
	for _, f := range faults {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	return faults[0] // not reached
}

func (n *nemesis) between(from, to time.Duration) time.Duration {
	return from + time.Duration(n.r.Int64N(int64(to-from)))
}

// wait sleeps; it reports false if ctx ended first.
func (n *nemesis) wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

func (n *nemesis) failed(err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.err = errors.Join(n.err, err)
}

func (n *nemesis) failure() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.err
}

func (n *nemesis) note(kind history.Kind, detail string) {
	n.History.Record(history.Event{Kind: kind, Detail: detail})
}
