package keepalive

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/mutation"
)

// Conn is what a Keeper needs of a driver.Conn.
type Conn interface {
	CreateLease(ctx context.Context, lease driver.Lease) (driver.Renewal, error)
	RenewLease(ctx context.Context, id driver.ID) (driver.Renewal, error)
	EndLease(ctx context.Context, id driver.ID, grounds driver.Grounds) (bool, error)
	Read(ctx context.Context, query driver.Query) (driver.View, error)
}

// Config says whose leases a Keeper keeps. All fields are required.
type Config struct {
	Conn  Conn
	TTL   time.Duration
	Owner string
	Info  driver.Info
	// Renewed is told the result of each attempt to renew: how long it took,
	// and its error. It must not block.
	Renewed func(took time.Duration, err error)
	// Ended is told when the trust in a lease that was in use has ended, after
	// its locks have been told. It must not block.
	Ended func(cause error)
	// FailedOver is told of a lease that goes on in another incarnation of the
	// database, after the rows of its locks have been read there. It must not
	// block.
	FailedOver func(lease *Lease)
}

// Interval returns the time between renewals.
func Interval(ttl time.Duration) time.Duration { return ttl / 3 }

// Keeper makes a client's leases. It is safe for concurrent use.
type Keeper struct {
	cfg    Config
	wg     sync.WaitGroup  // every goroutine of the keeper and its leases
	life   context.Context // ends one TTL after Close, with giveUp
	giveUp context.CancelFunc

	mu     sync.Mutex // guards the fields below
	closed bool
	live   atomic.Pointer[Lease] // nil when there is none; written under mu
	making *making               // not nil while one is being made
	fixed  map[*Lease]struct{}   // those made by Fixed
	draft  driver.ID             // the id of an attempt to make one whose outcome is unknown
	drawn  time.Time             // when draft was first sent
}

// making is one attempt to make a lease, shared by all who wait for it.
type making struct {
	done chan struct{}
	err  error
}

// New returns a Keeper without a lease.
func New(cfg Config) *Keeper {
	k := &Keeper{cfg: cfg, fixed: map[*Lease]struct{}{}}
	k.life, k.giveUp = context.WithCancel(context.Background())
	return k
}

// Pin returns the live lease, in use until Unpin. If there is none it makes one:
// one write. An error means that there is no lease; a transient one may be
// retried. It blocks for one attempt at the most, and ctx bounds the wait.
func (k *Keeper) Pin(ctx context.Context) (*Lease, error) {
	if live := k.live.Load(); live != nil && live.pin() {
		return live, nil
	}
	for {
		lease, m := k.pin()
		switch {
		case lease != nil:
			return lease, nil
		case m == nil:
			return nil, ErrClosed
		}
		select {
		case <-m.done:
			if m.err != nil {
				return nil, m.err
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// pin returns the live lease pinned, or the attempt under way to make one.
func (k *Keeper) pin() (*Lease, *making) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, nil
	}
	if live := k.live.Load(); live != nil && live.pin() {
		return live, nil
	}
	if k.making == nil {
		k.making = &making{done: make(chan struct{})}
		k.wg.Go(k.make)
	}
	return nil, k.making
}

// make makes one attempt to create a lease. An attempt whose outcome is unknown
// is repeated under the same id, as long as nobody can have expired it.
func (k *Keeper) make() {
	sent := clock.Now()
	k.mu.Lock()
	if k.draft.IsZero() || Redraw(k.drawn, sent, k.cfg.TTL) {
		k.draft, k.drawn = k.drawID(), sent
	}
	id := k.draft
	k.mu.Unlock()

	ctx, cancel := context.WithTimeout(context.Background(), CallTimeout(k.cfg.TTL))
	defer cancel()
	r, err := k.cfg.Conn.CreateLease(ctx, driver.Lease{ID: id, TTL: k.cfg.TTL, Owner: k.cfg.Owner, Info: k.cfg.Info})

	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.making
	k.making = nil
	m.err = err
	if err == nil {
		k.draft = driver.ID{}
		if k.closed {
			m.err = ErrClosed
			k.wg.Go(func() { k.discard(id) })
		} else {
			k.live.Store(start(k, id, k.cfg.TTL, sent, r))
		}
	}
	close(m.done)
}

// drawID returns the id of a new lease.
func (k *Keeper) drawID() driver.ID {
	if mutation.On(mutation.SequenceIDs) {
		return k.cfg.Conn.(interface{ SequenceID() driver.ID }).SequenceID()
	}
	return driver.NewID()
}

// CallTimeout bounds one call to the store.
func CallTimeout(ttl time.Duration) time.Duration { return max(ttl/5, 50*time.Millisecond) }

// discard deletes a lease that is trusted no more, and whose locks have all been
// let go. It tries for as long as the client is open, since nobody looks for a lease that
// no lock names, and for one TTL after that.
func (k *Keeper) discard(id driver.ID) {
	for pause := range backoff.Seq(k.cfg.TTL/100, k.cfg.TTL/10) {
		call, done := context.WithTimeout(k.life, CallTimeout(k.cfg.TTL))
		_, err := k.cfg.Conn.EndLease(call, id, driver.Grounds{Own: true})
		done()
		if err == nil || driver.IsPermanent(err) || !backoff.Sleep(k.life, pause) {
			return
		}
	}
}

// Live returns the live lease, or nil. It does not pin it.
func (k *Keeper) Live() *Lease { return k.live.Load() }

// Close ends the trust in the live lease at once, deletes it, and waits for
// everything the Keeper started, until ctx ends.
func (k *Keeper) Close(ctx context.Context) {
	k.mu.Lock()
	k.closed = true
	limit := time.AfterFunc(k.cfg.TTL, k.giveUp)
	live, draft := k.live.Load(), k.draft
	fixed := slices.Collect(maps.Keys(k.fixed))
	k.mu.Unlock()
	if !draft.IsZero() { // its row may have been made
		k.wg.Go(func() { k.discard(draft) })
	}
	if live != nil {
		live.end(ErrClosed)
		k.wg.Go(func() { k.discard(live.ID) })
	}
	for _, l := range fixed {
		l.end(ErrClosed)
		k.wg.Go(func() { k.discard(l.ID) })
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		k.wg.Wait()
		limit.Stop()
		k.giveUp()
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// drop deletes the row of a lease that has ended and that nothing uses any more.
func (k *Keeper) drop(l *Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.closed && !errors.Is(l.Cause(), ErrLeaseGone) {
		k.wg.Go(func() { k.discard(l.ID) })
	}
}

// forget makes room for another lease.
func (k *Keeper) forget(l *Lease) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.live.CompareAndSwap(l, nil)
	delete(k.fixed, l)
}
