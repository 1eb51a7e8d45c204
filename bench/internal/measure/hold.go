package measure

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/bench/internal/server"
	"github.com/leaseholdgo/leasehold/bench/internal/side"
	"github.com/leaseholdgo/leasehold/bench/internal/stats"
)

// holding measures what one client costs that holds many locks: the statements of a
// renewal, and the connections.
func holding(quick bool) Family {
	f := Family{
		Store: "postgres", Names: []string{"hold_10000", "hold_connections"},
		Needs: []server.Kind{server.Postgres}, Counts: true, Take: (*Env).takeHolding,
	}
	if !quick {
		f.Needs = append(f.Needs, server.Redis)
	}
	return f
}

// most is how many locks are held at the most.
const most = 10_000

func (e *Env) takeHolding(ctx context.Context) (results []Result, err error) {
	url, err := e.Servers.Postgres.Create(ctx, "holding")
	if err != nil {
		return nil, err
	}
	h := &holder{renewed: make(chan renewal, 100)}
	// A short TTL, so that renewals come often.
	h.Ours, err = side.OpenCounted(ctx, url+"&application_name=holder", leasehold.Config{
		TTL:      3 * time.Second,
		Observer: leasehold.Observer{Renewed: h.observe},
	}, &h.statements)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()

	sizes := []int{1, 10, 100, 1_000, most}
	if e.Quick {
		sizes = []int{1_000, most} // the first for the connections only
	}
	var statements float64
	for _, n := range sizes {
		if err := h.grow(ctx, n); err != nil {
			return nil, err
		}
		if n == 1_000 {
			connections, err := e.countConnections(ctx, url, h)
			if err != nil {
				return nil, err
			}
			results = append(results, compare("hold_connections", "connections", []float64{connections}, []float64{1}))
		}
		if e.Quick && n < most {
			continue
		}
		took := 0.0
		if statements, took, err = h.watch(ctx, e.pick(2, 4)); err != nil {
			return nil, err
		}
		e.Found.addHolding(Holding{Side: side.Leasehold, Locks: n, Statements: statements, Took: took})
	}
	if err := h.intact(); err != nil {
		return nil, err
	}
	if !e.Quick {
		err = e.holdOtherwise(ctx, url, sizes)
	}
	return append(results, compare("hold_10000", "statements/renewal", []float64{statements}, []float64{1})), err
}

// holder is a client that holds many locks and watches its own renewals.
type holder struct {
	*side.Ours
	statements atomic.Int64
	renewals   atomic.Int64 // since the client was opened
	renewed    chan renewal
	locks      []*leasehold.Lock
}

// renewal is one that has ended.
type renewal struct {
	nth        int64
	took       time.Duration
	statements int64 // sent by then
	err        error
}

func (h *holder) observe(took time.Duration, err error) {
	select {
	case h.renewed <- renewal{h.renewals.Add(1), took, h.statements.Load(), err}:
	default: // nobody watches
	}
}

// grow acquires names until there are n.
func (h *holder) grow(ctx context.Context, n int) error {
	const together = 256
	for len(h.locks) < n {
		more := make([]*leasehold.Lock, min(together, n-len(h.locks)))
		err := once(ctx, len(more), func(ctx context.Context, i int) (err error) {
			more[i], err = h.Client.Acquire(ctx, "held-"+strconv.Itoa(len(h.locks)+i))
			return err
		})
		if err != nil {
			return err
		}
		h.locks = append(h.locks, more...)
	}
	return nil
}

// dialling is how many renewals may still dial, and prepare their statement.
const dialling = 2

// watch waits for some renewals, and returns how many statements the client sent for
// each, and how many milliseconds one took.
func (h *holder) watch(ctx context.Context, renewals int) (statements, took float64, err error) {
	var first, last renewal
	var times []float64
	start := h.renewals.Load()
	for i := 0; i <= renewals; {
		select {
		case last = <-h.renewed:
		case <-ctx.Done():
			return 0, 0, context.Cause(ctx)
		}
		if last.nth <= max(start, dialling) {
			continue
		}
		if last.err != nil {
			return 0, 0, fmt.Errorf("renewing: %w", last.err)
		}
		if i++; i == 1 {
			first = last
			continue
		}
		times = append(times, float64(last.took)/float64(time.Millisecond))
	}
	return float64(last.statements-first.statements) / float64(renewals), stats.Median(times), nil
}

// intact returns an error unless all locks are held.
func (h *holder) intact() error {
	for _, lock := range h.locks {
		if !lock.Held() {
			return fmt.Errorf("%s was lost: %w", lock.Name(), context.Cause(lock.Context()))
		}
	}
	return nil
}

// countConnections lets the holder wait for as many locks as it holds, which another
// client has, and returns how many connections it then has.
func (e *Env) countConnections(ctx context.Context, url string, h *holder) (connections float64, err error) {
	other, err := side.OpenPostgres(ctx, url, leasehold.Config{})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, other.Close()) }()
	n := len(h.locks)
	taken := func(i int) string { return "taken-" + strconv.Itoa(i) }
	if err := once(ctx, n, func(ctx context.Context, i int) error {
		_, err := other.Client.Acquire(ctx, taken(i))
		return err
	}); err != nil {
		return 0, err
	}
	waits, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for i := range n {
		wg.Go(func() { _, _ = h.Client.Acquire(waits, taken(i)) }) // given up
	}
	if err := awaitWaiters(ctx, other.Client, "taken-", n); err != nil {
		return 0, err
	}
	answer, err := e.Servers.Postgres.Query(ctx, `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'holder%'`)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(answer, 64)
}

// awaitWaiters waits until n names with the prefix have a waiter.
func awaitWaiters(ctx context.Context, client *leasehold.Client, prefix string, n int) error {
	for {
		waited := 0
		for info, err := range client.List(ctx, leasehold.ListOptions{Prefix: prefix, PageSize: 1000}) {
			if err != nil {
				return err
			}
			waited += min(1, len(info.Waiters))
		}
		if waited == n {
			return nil
		}
		pause(ctx, 10*time.Millisecond)
	}
}
