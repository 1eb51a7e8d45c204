package memory

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// ErrDown is the error of every call while the store is down.
var ErrDown = errors.New("memory: the store is down")

// Store holds locks and leases in memory. It is safe for concurrent use.
type Store struct {
	mu     sync.Mutex // guards the fields below
	locks  map[string]*driver.Lock
	leases map[driver.ID]*lease
	epoch  uint64
	maxTTL time.Duration
	pause  time.Time // nothing is granted before
	down   bool
	hang   chan struct{} // not nil while hanging; closed when that ends
	hook   func(context.Context, Call) error
	ears   map[*ear]struct{}
}

type lease struct {
	driver.Lease
	beat, notice uint64
	renewed      time.Time
}

// ear is one call of Listen.
type ear struct {
	lease driver.ID
	wake  func(driver.Hint)
	cut   chan struct{} // closed when the store goes down
}

// New returns an empty Store.
func New() *Store {
	return &Store{
		locks:  map[string]*driver.Lock{},
		leases: map[driver.ID]*lease{},
		epoch:  1,
		maxTTL: time.Minute,
		ears:   map[*ear]struct{}{},
	}
}

// Connect implements driver.Store.
func (s *Store) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	c := &conn{store: s, closed: make(chan struct{})}
	err := c.do(ctx, Call{Op: "Connect"}, func() error {
		if settings.TTL > s.maxTTL {
			return driver.Permanent(&driver.TTLError{TTL: settings.TTL, Cap: s.maxTTL})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Down makes every call fail with ErrDown from now on, or ends that. What is
// stored stays; leases run out meanwhile.
func (s *Store) Down(down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.down = down
	if !down {
		return
	}
	for e := range s.ears {
		close(e.cut)
		delete(s.ears, e)
	}
}

// Hang makes every call hang until its context ends, as behind a network that
// swallows everything, or ends that. Calls that hang when it ends go on.
func (s *Store) Hang(hang bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case hang && s.hang == nil:
		s.hang = make(chan struct{})
	case !hang && s.hang != nil:
		close(s.hang)
		s.hang = nil
	}
}

// Lose takes the lock of that name away from all who hold it, as if its row had been
// lost, and passes it to the first waiter. A holder is told as a revoked one
// is, and finds its grant gone. It reports whether there was a holder.
func (s *Store) Lose(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.locks[name]
	if !ok {
		return false
	}
	losers := slices.Collect(l.Grants())
	for _, loser := range losers {
		s.release(l, loser.Place)
		if holder, ok := s.leases[loser.Lease]; ok {
			holder.notice++
		}
		s.notify(loser.Lease, name)
	}
	return len(losers) > 0
}

// EndLeases deletes every lease, as an operator might by hand. Their clients
// learn it at the next renewal; their locks are taken over by whoever asks.
func (s *Store) EndLeases() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.leases)
}

// NewEpoch makes the store another incarnation of itself that lacks nothing: every client reads its
// rows again before it trusts them further.
func (s *Store) NewEpoch() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch++
}

// errPaused is the error of an acquisition after a promotion.
var errPaused = errors.New("memory: nothing is granted after a promotion until every trust from before is over")

// paused reports whether nothing is granted now. s.mu is held.
func (s *Store) paused() bool { return time.Now().Before(s.pause) }

// Standby copies what is stored at this moment. Promote makes the copy the store, as
// when a standby that lags is promoted: what was written since is lost, the epoch is
// another, and nothing is granted until the longest TTL has passed (a minute, and the
// margin). Calls in progress run on the one or the other. Promote works once.
func (s *Store) Standby() (promote func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	locks, leases := map[string]*driver.Lock{}, map[driver.ID]*lease{}
	for name, l := range s.locks {
		c := snapshot(l)
		locks[name] = &c
	}
	for id, l := range s.leases {
		c := *l
		leases[id] = &c
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.locks, s.leases = locks, leases
		s.epoch++
		s.pause = time.Now().Add(s.maxTTL + clock.Margin(s.maxTTL))
	}
}

// Call is one call of a driver method, as Intercept shows it.
type Call struct {
	Op   string // the method's name
	Name string // the lock's, where there is one
	Done bool   // false: before it takes effect; true: after
}

// Intercept makes f see every call twice, before and after it takes effect. An
// error from f is the call's result: before, nothing happens; after, the reply
// is lost. f may block; a nil f ends it.
func (s *Store) Intercept(f func(ctx context.Context, call Call) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = f
}

// notify wakes the clients that listen for the lease. s.mu is held.
func (s *Store) notify(lease driver.ID, name string) {
	for e := range s.ears {
		if e.lease == lease {
			e.wake(driver.Hint{Name: name})
		}
	}
}

// lookup returns the row of name, making one if need be. s.mu is held.
func (s *Store) lookup(name string) *driver.Lock {
	l, ok := s.locks[name]
	if !ok {
		l = &driver.Lock{Name: name}
		s.locks[name] = l
	}
	return l
}
