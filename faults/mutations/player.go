//go:build mutation

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
	"github.com/leaseholdgo/leasehold/postgres"
)

// player is one client of the library, on connections of its own that can be cut.
type player struct {
	*stage
	who    string
	client *leasehold.Client
	cut    atomic.Bool // nothing arrives any more, in either direction
	ops    atomic.Uint64
	latest sync.Map // the last acquisition of each name, one at a time
}

// held is a lock in a player's hand.
type held struct {
	*player
	op    uint64
	lock  *leasehold.Lock
	let   sync.Once
	tries atomic.Int64
}

// enter opens a client. Its sessions go by the schema's name and its own.
func (s *stage) enter(who string) (*player, error) {
	p := &player{stage: s, who: "0.1." + who}
	cfg, err := pgxpool.ParseConfig(s.url)
	if err != nil {
		return nil, err
	}
	cfg.ConnConfig.RuntimeParams["application_name"] = s.schema + " " + who
	dial := cfg.ConnConfig.DialFunc
	cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &link{conn, &p.cut}, err
	}
	pool, err := pgxpool.NewWithConfig(s.ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.record(history.Event{Kind: history.Opened})
	store := postgres.New(pool, postgres.Config{Schema: s.schema})
	p.client, err = leasehold.Open(s.ctx, store, leasehold.Config{
		TTL: s.ttl, Owner: p.who, Tolerance: -1, Observer: leasehold.Observer{Queued: p.queues},
	})
	return p, err
}

// link is a connection behind which everything may vanish.
type link struct {
	net.Conn
	cut *atomic.Bool
}

func (l *link) Read(b []byte) (int, error) {
	for {
		if n, err := l.Conn.Read(b); err != nil || !l.cut.Load() {
			return n, err
		}
	}
}

func (l *link) Write(b []byte) (int, error) {
	if l.cut.Load() {
		return len(b), nil
	}
	return l.Conn.Write(b)
}

func (p *player) record(e history.Event) {
	e.Client = p.who
	p.history.Record(e)
}

// queues records that an acquisition is in the queue.
func (p *player) queues(name string, _ int) {
	if op, ok := p.latest.Load(name); ok {
		p.record(history.Event{Kind: history.Queued, Op: op.(uint64), Name: name})
	}
}

// acquire waits for the lock of that name, and try tries. Nil: it was refused.
func (p *player) acquire(name string) *held {
	return p.obtain(name, 10*p.ttl, history.Terms{}, p.client.Acquire)
}
func (p *player) try(name string) *held {
	return p.obtain(name, 10*p.ttl, history.Terms{}, p.client.TryAcquire)
}

// share waits for a lock that readers share, and keep for one with a minimum hold.
func (p *player) share(name string) *held {
	return p.obtain(name, 10*p.ttl, history.Terms{Mode: history.Shared}, p.client.Acquire, leasehold.Shared())
}

func (p *player) keep(name string, d time.Duration) *held {
	return p.obtain(name, 10*p.ttl, history.Terms{MinHold: d}, p.client.Acquire, leasehold.MinHold(d))
}

type acquiring func(context.Context, string, ...leasehold.Option) (*leasehold.Lock, error)

func (p *player) obtain(name string, patience time.Duration, terms history.Terms, acquire acquiring, options ...leasehold.Option) *held {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	op := p.ops.Add(1)
	p.latest.Store(name, op)
	p.record(history.Event{Kind: history.Called, Op: op, Name: name, Terms: terms})
	lock, err := acquire(ctx, name, options...)
	if err != nil {
		p.record(history.Event{Kind: history.Refused, Op: op, Name: name, Detail: err.Error()})
		return nil
	}
	h := &held{player: p, op: op, lock: lock}
	until, _ := deadline(lock)
	h.note(history.Event{Kind: history.Granted, Until: until, Lease: lock.Hold().Lease.String(), Terms: terms})
	p.watching.Go(func() { h.watch(until) })
	return h
}

// deadline returns instants that the trust deadline is not before, and not after.
func deadline(lock *leasehold.Lock) (until, limit time.Duration) {
	from := history.Now()
	started := time.Now()
	at := lock.Deadline()
	low := from + at.Sub(started) - time.Since(started)
	return low, history.Now() + time.Until(at) + 2*time.Since(started)
}

// watch records when the deadline moves, until the lock is let go of.
func (h *held) watch(until time.Duration) {
	ticker := time.NewTicker(3 * time.Millisecond)
	defer ticker.Stop()
	for {
		at, believed := history.Now(), h.lock.Held()
		if low, limit := deadline(h.lock); believed && low > until+10*time.Millisecond {
			until = low
			h.note(history.Event{Kind: history.Believed, At: at, Until: low, Limit: limit})
		}
		select {
		case <-ticker.C:
		case <-h.lock.Context().Done():
			return
		case <-h.done:
			return
		}
	}
}

func (h *held) note(e history.Event) {
	e.Op, e.Name, e.Fence = h.op, h.lock.Name(), h.lock.Fence()
	h.record(e)
}

// increment makes one guarded increment of the counter.
func (h *held) increment(ctx context.Context, inside func()) {
	e := history.Event{Kind: history.Begun, ID: fmt.Sprintf("%s/%d/%d", h.who, h.op, h.tries.Add(1))}
	h.note(e)
	outcome, err := h.database.Increment(ctx, h.lock, e.ID, inside)
	e.Kind = map[database.Outcome]history.Kind{
		database.Aborted: history.Aborted, database.Committed: history.Acked, database.Unknown: history.Unknown,
	}[outcome]
	if err != nil {
		e.Detail = err.Error()
	}
	h.note(e)
}

// release lets go of the lock, once. A nil lock was refused.
func (h *held) release() {
	if h == nil {
		return
	}
	h.let.Do(func() {
		h.note(history.Event{Kind: history.LetGo})
		detail := ""
		if err := h.lock.Close(); err != nil {
			detail = "not released"
			if errors.Is(err, leasehold.ErrLost) {
				detail = "lost"
			}
		}
		h.note(history.Event{Kind: history.Released, Detail: detail})
	})
}

// releaseWhenLost lets go of the lock as soon as it is lost, or the channel closed.
func (h *held) releaseWhenLost(closed <-chan struct{}) {
	select {
	case <-h.lock.Context().Done():
	case <-closed:
	}
	h.release()
}

func (p *player) leave() {
	p.record(history.Event{Kind: history.Closing})
	_ = p.client.Close() // a cut one cannot close in order
	p.record(history.Event{Kind: history.Closed})
}
