package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// While connections are cut in front of the pooler and behind it, and server processes are
// ended, clients acquire, give up and release. No two hold at once, no fence is given twice,
// and when they have stopped, no lease that lives holds or awaits anything.
func TestHazard09_CutConnectionsLeaveNoGhost(t *testing.T) {
	t.Parallel()
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := pgserver.ForTest(t, pgserver.Config{})
			behind, url := newProxyTo(t, server.URL())
			if way.pooler {
				url = pgbouncer.ForTest(t, pgbouncer.Config{Server: url, Mode: pgbouncer.Transaction, Size: 8,
					Settings: map[string]string{"server_login_retry": "0"}}).URL()
			}
			front, url := newProxyTo(t, url)
			store := way.store(t, url, "leasehold")
			x := &cutting{T: t, fences: map[string]uint64{}}
			var clients []*leasehold.Client
			for range 3 {
				clients = append(clients, openClient(t, store, leasehold.Config{TTL: 3 * time.Second}))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for i := range 9 {
				wg.Go(func() {
					for ctx.Err() == nil {
						x.work(ctx, clients[i%len(clients)])
					}
				})
			}
			admin := openDB(t, "postgres", server.URL())
			for ctx.Err() == nil {
				time.Sleep(rand.N(400 * time.Millisecond))
				switch rand.N(3) {
				case 0:
					front.cutOne()
				case 1:
					behind.cutOne()
				case 2:
					_, _ = admin.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
						WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1`)
				}
			}
			wg.Wait()
			reader := newClient(t, New(poolAt(t, server.URL()), Config{}))
			await(t, "no lease that lives holds or awaits anything", func() bool {
				view, err := reader.Read(t.Context(), driver.Query{Limit: 10})
				for _, l := range view.Locks {
					for place := range l.Places() {
						if _, alive := view.Leases[place.Lease]; alive {
							return false
						}
					}
				}
				return err == nil
			})
			if x.grants.Load() == 0 || x.failures.Load() == 0 {
				t.Errorf("%d grants, %d failures: too few for a test", x.grants.Load(), x.failures.Load())
			}
			t.Logf("%d grants, %d failures", x.grants.Load(), x.failures.Load())
		})
	}
}

// cutting is what the workers know.
type cutting struct {
	*testing.T
	grants, failures atomic.Int64

	mu      sync.Mutex // guards the field below
	fences  map[string]uint64
	holders [3]*leasehold.Lock
}

// work takes one of three locks, or gives up, and holds it for a moment.
func (x *cutting) work(ctx context.Context, client *leasehold.Client) {
	ctx, cancel := context.WithTimeout(ctx, rand.N(time.Second))
	defer cancel()
	i := rand.N(len(x.holders))
	lock, err := client.Acquire(ctx, fmt.Sprint(i))
	if err != nil {
		x.failures.Add(1)
		return
	}
	x.grants.Add(1)
	x.mu.Lock()
	if other := x.holders[i]; other != nil && other.Held() && lock.Held() {
		x.Errorf("%q is held under the fences %d and %d", lock.Name(), other.Fence(), lock.Fence())
	}
	if lock.Held() && lock.Fence() <= x.fences[lock.Name()] {
		x.Errorf("%q: fence %d after %d", lock.Name(), lock.Fence(), x.fences[lock.Name()])
	}
	x.fences[lock.Name()] = max(x.fences[lock.Name()], lock.Fence())
	x.holders[i] = lock
	x.mu.Unlock()
	time.Sleep(rand.N(3 * time.Millisecond))
	x.mu.Lock()
	if x.holders[i] == lock {
		x.holders[i] = nil
	}
	x.mu.Unlock()
	_ = lock.Close() // what it cannot release now it releases later
}

// cutOne ends one of the connections through the proxy.
func (p *proxy) cutOne() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.pairs) == 0 {
		return
	}
	i := rand.N(len(p.pairs))
	_ = p.pairs[i].client.Close()
	_ = p.pairs[i].server.Close()
	p.pairs = append(p.pairs[:i], p.pairs[i+1:]...)
}
