package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// witness watches who holds what: it knows each name's holders at this instant, and the
// fences that there were.
type witness struct {
	t *testing.T

	mu     sync.Mutex // guards the fields below
	inside map[string]int
	fences map[string]uint64
	grants int
}

func newWitness(t *testing.T) *witness {
	return &witness{t: t, inside: map[string]int{}, fences: map[string]uint64{}}
}

// enter notes a grant, and leave must follow before its release is asked for.
func (w *witness) enter(l driver.Lock) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inside[l.Name]++; w.inside[l.Name] > 1 {
		w.t.Errorf("%d hold %q", w.inside[l.Name], l.Name)
	}
	if l.Fence <= w.fences[l.Name] {
		w.t.Errorf("%q is granted under fence %d after %d", l.Name, l.Fence, w.fences[l.Name])
	}
	w.fences[l.Name] = l.Fence
	w.grants++
}

func (w *witness) leave(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inside[name]--
}

// churn takes and gives back random names in batches until ctx ends: some names are made
// for the first time, and most are wanted by others too.
func churn(ctx context.Context, c *client, w *witness, names func(*rand.Rand) []string) {
	random := rand.New(rand.NewPCG(rand.Uint64(), 0))
	var wants []driver.Attempt // granted, waiting, or not known
	for ctx.Err() == nil {
		var calls []*call
		busy := map[string]bool{}
		for _, a := range wants {
			calls, busy[a.Name] = append(calls, c.releasing(a)), true
		}
		for _, name := range names(random) {
			if !busy[name] {
				calls = append(calls, acquisition(c.attempt(name), random.IntN(2) == 0))
				busy[name] = true
			}
		}
		random.Shuffle(len(calls), func(i, j int) { calls[i], calls[j] = calls[j], calls[i] })
		c.batch(calls...)
		wants = wants[:0]
		for _, r := range calls {
			switch {
			case r.release && (r.outcome == driver.Busy || r.err != nil):
				wants = append(wants, r.Attempt)
			case r.release:
			case r.err == nil && r.reply.Lock.HeldBy(r.Place()):
				w.enter(r.reply.Lock)
				w.leave(r.Name)
				wants = append(wants, r.Attempt)
			default:
				wants = append(wants, r.Attempt)
			}
		}
	}
	for _, a := range wants {
		c.release(a)
	}
}

// Several clients make random batches of few names, and of new ones, all at the same time:
// the server never finds two of them waiting for each other.
func TestBatchesDoNotDeadlock(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{Settings: map[string]string{"deadlock_timeout": "5ms"}})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, w := New(pool, Config{}), newWitness(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var fresh atomic.Int64
	var wg sync.WaitGroup
	clients := make([]*client, 6)
	for i := range clients {
		clients[i] = newClient(t, store)
		wg.Go(func() {
			churn(ctx, clients[i], w, func(r *rand.Rand) (names []string) {
				n := fresh.Add(int64(r.IntN(2)))
				for range 20 { // others make the same ones
					names = append(names, fmt.Sprintf("%x", (n+r.Int64N(10))*0x9E3779B9%(1<<31)))
				}
				for range 10 {
					names = append(names, fmt.Sprint("hot ", r.IntN(15)))
				}
				slices.Sort(names)
				return slices.Compact(names)
			})
		})
	}
	wg.Wait()
	for _, c := range clients {
		_ = c.Close() // the server counts what its processes saw when they end
	}
	const sessions = `SELECT count(*)::int FROM pg_stat_activity WHERE application_name = 'leasehold'`
	await(t, "all sessions have ended", func() bool { return value[int](t, pool, sessions) == 0 })
	if n := value[int](t, pool, `SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()`); n > 0 {
		t.Errorf("%d deadlocks", n)
	}
	if n := value[int](t, pool, `SELECT count(*)::int FROM leasehold.lock WHERE holder_ticket IS NOT NULL OR cardinality(queue_tickets) > 0`); n > 0 {
		t.Errorf("%d names are still held or waited for", n)
	}
	t.Logf("%d grants of %d names", w.grants, len(w.fences))
	if w.grants < 100 {
		t.Error("the test did not hit what it is for")
	}
}

// A backend is stopped in the middle of its work, again and again, while others grant the
// same names: every fence is larger than all before it, and nobody holds beside another.
func TestHazard23_StalledBatches(t *testing.T) {
	t.Parallel()
	server := pgserver.ForTest(t, pgserver.Config{})
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	store, w := New(pool, Config{}), newWitness(t)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var clients []*client
	for range 3 {
		c := newClient(t, store)
		clients = append(clients, c)
		wg.Go(func() {
			churn(ctx, c, w, func(r *rand.Rand) (names []string) {
				for i := range 6 {
					names = append(names, fmt.Sprint("name ", i))
				}
				return names[r.IntN(3):]
			})
		})
	}
	backend := backendPID(t, clients[0])
	stops := 0
	for ; ctx.Err() == nil; stops++ {
		stopProcess(t, backend)
		w.awaitGrants(20)
		continueProcess(t, backend)
		w.awaitGrants(10)
	}
	wg.Wait()
	t.Logf("%d grants, %d stops", w.grants, stops)
}

// awaitGrants returns when so many more grants were made, or after a while: a backend may
// have been stopped with all rows locked.
func (w *witness) awaitGrants(more int) {
	count := func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.grants
	}
	for start, before := time.Now(), count(); count() < before+more && time.Since(start) < 200*time.Millisecond; {
		time.Sleep(time.Millisecond)
	}
}
