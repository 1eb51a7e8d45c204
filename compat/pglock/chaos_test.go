package pglock_test

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/leaseholdgo/leasehold/compat/pglock"
)

var (
	chaosSeed = flag.Uint64("chaos", 0, "the seed of the first trial; 0: a fixed one")
	chaosRuns = flag.Int("trials", 2, "how many trials there are")
)

const chaosLease = 4 * time.Second

// TestNobodyHoldsTogetherInAnyWeather: clients of this package, and old ones on a network
// that never fails them, compete for two names for a quarter of an hour while statements and
// replies are late, are lost, or come when nobody expects them any more. Nobody has a name
// while another believes in having it, and in the end no row is left.
func TestNobodyHoldsTogetherInAnyWeather(t *testing.T) {
	t.Parallel()
	for i := range *chaosRuns {
		seed := max(*chaosSeed, 1) + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { (&chaos{t: t, seed: seed, server: newServer()}).run() })
		})
	}
}

// chaos is one trial.
type chaos struct {
	t      *testing.T
	seed   uint64
	server *server

	mu     sync.Mutex // guards the fields below
	inside map[string]map[*member]bool
	turns  map[string]int
}

// member is somebody who has a lock in hand.
type member struct {
	who      string
	since    time.Time
	believes func() bool
}

func (c *chaos) run() {
	c.inside, c.turns = map[string]map[*member]bool{"a": {}, "b": {}}, map[string]int{}
	ctx, cancel := context.WithTimeout(c.t.Context(), 15*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for i := range 4 {
		w := &weather{random: c.random(i)}
		wg.Go(func() { w.change(ctx) })
		r := newRoute(c.server, w.fate)
		beats := []time.Duration{chaosLease / 2, chaosLease / 20, chaosLease / 3, 0}[i]
		client := r.client(c.t, pglock.WithLeaseDuration(chaosLease), pglock.WithHeartbeatFrequency(beats))
		for j := range 2 {
			wg.Go(func() { c.compete(ctx, client, c.random(10+4*j+i)) })
		}
	}
	for i := range 2 {
		wg.Go(func() { c.competeAsOld(ctx, c.random(100+i)) })
	}
	wg.Wait()
	time.Sleep(15 * time.Minute) // whatever was late has come, and is looked for no more
	synctest.Wait()
	for name := range c.inside {
		if r, _ := c.server.row(name); r.rvn != 0 {
			c.t.Errorf("the row of %s is left, held by %q", name, r.owner)
		}
	}
	c.t.Logf("turns: %v; statements: %d", c.turns, c.server.statements())
	if c.turns["new"] < 50 || c.turns["old"] < 5 {
		c.t.Error("some made little progress")
	}
}

func (c *chaos) random(i int) *rand.Rand { return rand.New(rand.NewPCG(c.seed, uint64(i))) }

// enter notes one who has the lock, and returns what notes that it lets go.
func (c *chaos) enter(name, kind string, believes func() bool) (leave func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := &member{kind, time.Now(), believes}
	for other := range c.inside[name] {
		if other.believes() {
			c.t.Errorf("at %v, %s has %s while %s believes in it, since %v", time.Now(), kind, name, other.who, other.since)
		}
	}
	c.inside[name][m] = true
	c.turns[kind]++
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.inside[name], m)
	}
}

// compete has a client of this package take turns.
func (c *chaos) compete(ctx context.Context, client *pglock.Client, random *rand.Rand) {
	for ctx.Err() == nil {
		name := []string{"a", "b"}[random.IntN(2)]
		wait, cancel := context.WithTimeout(ctx, time.Duration(random.ExpFloat64()*float64(chaosLease)))
		var opts []pglock.LockOption
		for _, opt := range []pglock.LockOption{pglock.FailIfLocked(), pglock.KeepOnRelease(), pglock.WithCustomHeartbeatContext(wait)} {
			if random.IntN(4) == 0 {
				opts = append(opts, opt)
			}
		}
		l, err := client.AcquireContext(wait, name, opts...)
		if err == nil {
			leave := c.enter(name, "new", func() bool { return !l.IsReleased() })
			for range random.IntN(4) {
				time.Sleep(time.Duration(random.ExpFloat64() * float64(chaosLease) / 3))
				_ = client.SendHeartbeat(ctx, l)
			}
			leave()
			_ = l.Close()
		}
		cancel()
		time.Sleep(time.Duration(random.ExpFloat64() * float64(chaosLease) / 4))
	}
}

// competeAsOld has one of the original take turns: it looks once in a lease duration.
func (c *chaos) competeAsOld(ctx context.Context, random *rand.Rand) {
	name, seen := "a", int64(-1)
	for ctx.Err() == nil {
		rvn, has := c.server.old(name, seen)
		if rvn != has {
			seen = has
			time.Sleep(chaosLease)
			continue
		}
		leave := c.enter(name, "old", func() bool { return true })
		for range random.IntN(10) {
			time.Sleep(chaosLease / 4)
			next := c.server.oldBeat(name, rvn)
			if next == 0 {
				c.t.Errorf("at %v, an old client that lives has lost %s", time.Now(), name)
			}
			rvn = next
		}
		leave()
		c.server.oldFree(name, rvn)
		seen = -1
		time.Sleep(time.Duration(random.ExpFloat64() * float64(chaosLease)))
	}
}

// old is one look of an old client's, which writes the row in any case. It returns the
// number that it has drawn, and that which the row has.
func (s *server) old(name string, seen int64) (drawn, has int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	drawn = s.next()
	r := s.rows[name]
	if r == nil {
		r = &record{}
		s.rows[name] = r
	}
	if r.rvn == 0 || r.rvn == seen {
		r.rvn, r.owner = drawn, "old"
	}
	s.written(r)
	return drawn, r.rvn
}

// oldBeat returns 0 if the row does not bear the number.
func (s *server) oldBeat(name string, rvn int64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.rows[name]
	if r == nil || r.rvn != rvn {
		return 0
	}
	r.rvn = s.next()
	s.written(r)
	return r.rvn
}

func (s *server) oldFree(name string, rvn int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.rows[name]; r != nil && r.rvn == rvn {
		delete(s.rows, name)
	}
}

// weather is what the network of one client is like, which changes.
type weather struct {
	mu     sync.Mutex // guards the fields below
	random *rand.Rand
	kind   int
}

// change changes it, until ctx ends with fine weather.
func (w *weather) change(ctx context.Context) {
	for ctx.Err() == nil {
		w.mu.Lock()
		w.kind = w.random.IntN(6)
		pause := time.Duration(w.random.ExpFloat64() * float64(chaosLease))
		w.mu.Unlock()
		time.Sleep(pause)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.kind = 0
}

var errReset = errors.New("connection reset")

func (w *weather) fate(kind) (there, back time.Duration, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	late := func(mean time.Duration) time.Duration { return time.Duration(w.random.ExpFloat64() * float64(mean)) }
	switch w.kind {
	default: // fine
		return late(time.Millisecond), late(time.Millisecond), nil
	case 2: // slow
		return late(chaosLease / 10), late(chaosLease / 10), nil
	case 3: // statements come late, or very late
		return []time.Duration{late(time.Millisecond), late(chaosLease), min(late(time.Minute), 9*time.Minute)}[w.random.IntN(3)], 0, nil
	case 4: // nothing passes, one way or the other
		return []time.Duration{-1, 0}[w.random.IntN(2)], -1, nil
	case 5: // connections break, before or after the statement was run
		there = []time.Duration{-1, 0, late(chaosLease / 10)}[w.random.IntN(3)]
		return there, 0, []error{nil, errReset, sqldriver.ErrBadConn}[w.random.IntN(3)]
	}
}
