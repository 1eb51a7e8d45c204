package mysql

import (
	"context"
	"database/sql"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
	"github.com/leaseholdgo/leasehold/internal/mariadb"
)

var chaos = flag.Duration("chaos", 6*time.Second, "how long TestChaos harms its server")

// chaotic is a server that is harmed, its clients, and what they know.
type chaotic struct {
	*testing.T
	server *mariadb.Server
	db     *sql.DB
	names  []string

	mu        sync.Mutex // guards the fields below
	fences    map[string]uint64
	confirmed map[string]int64
	unknown   map[string]int64
	faults    map[string]int
}

// While connections and statements are killed, and the server crashes, freezes and is
// restarted, clients add to counters in guarded transactions. No addition is lost, no fence
// is given twice, and at the end nothing is held or awaited.
func TestChaos(t *testing.T) {
	server := mariadb.ForTest(t, mariadb.Config{})
	x := &chaotic{
		T: t, server: server, names: []string{"a", "b", "c"},
		db: openDB(t, server.URL(), func(cfg *mysql.Config) {
			cfg.Timeout = time.Second
			cfg.ReadTimeout = 3 * time.Second
			cfg.Logger = &mysql.NopLogger{}
		}),
		fences: map[string]uint64{}, confirmed: map[string]int64{}, unknown: map[string]int64{}, faults: map[string]int{},
	}
	x.prepare()
	var clients []*leasehold.Client
	for i := range 4 {
		client, err := leasehold.Open(t.Context(), Open(server.URL(), Config{}), leasehold.Config{TTL: 2 * time.Second, Owner: fmt.Sprint("client ", i)})
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, client)
	}
	ctx, cancel := context.WithTimeout(t.Context(), *chaos)
	defer cancel()
	var wg sync.WaitGroup
	for _, client := range clients {
		for range 3 {
			wg.Go(func() {
				for ctx.Err() == nil {
					x.work(ctx, client)
				}
			})
		}
	}
	x.harm(ctx)
	wg.Wait()
	for _, client := range clients {
		if err := client.Close(); err != nil {
			t.Logf("Close: %v", err) // what it could not release expires
		}
	}
	x.judge()
}

func (x *chaotic) prepare() {
	execSQL(x, x.db, "CREATE TABLE counter (name VARBINARY(10) PRIMARY KEY, n BIGINT NOT NULL) ENGINE = InnoDB")
	for _, name := range x.names {
		execSQL(x, x.db, "INSERT INTO counter VALUES ('"+name+"', 0)")
	}
}

// work takes one lock and adds one to its counter.
func (x *chaotic) work(ctx context.Context, client *leasehold.Client) {
	name := x.names[rand.N(len(x.names))]
	lock, err := client.Acquire(ctx, name)
	if err != nil {
		return
	}
	defer lock.Close()
	x.mu.Lock()
	if lock.Fence() <= x.fences[name] && lock.Held() {
		x.Errorf("%q: fence %d after %d", name, lock.Fence(), x.fences[name])
	}
	x.fences[name] = max(x.fences[name], lock.Fence())
	x.mu.Unlock()
	sent, err := x.add(lock.Context(), lock)
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case sent && err == nil:
		x.confirmed[name]++
	case sent:
		x.unknown[name]++
	}
}

// add adds one, and reports whether the commit was sent.
func (x *chaotic) add(ctx context.Context, lock *leasehold.Lock) (sent bool, err error) {
	tx, err := x.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	if err := Guard(ctx, tx, lock); err != nil {
		return false, err
	}
	var n int64
	if err := tx.QueryRowContext(ctx, "SELECT n FROM counter WHERE name = '"+lock.Name()+"'").Scan(&n); err != nil {
		return false, err
	}
	backoff.Sleep(ctx, rand.N(3*time.Millisecond))
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("UPDATE counter SET n = %d WHERE name = '%s'", n+1, lock.Name())); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// harm does one harm after the other until ctx ends, and then heals the server.
func (x *chaotic) harm(ctx context.Context) {
	for turn := 0; backoff.Sleep(ctx, 20*time.Millisecond+rand.N(60*time.Millisecond)); turn++ {
		what := []string{"CONNECTION", "QUERY"}[turn%2]
		switch {
		case turn%40 == 39:
			what = "crash"
			x.must(x.server.Kill())
			x.must(x.server.Restart(context.WithoutCancel(ctx)))
		case turn%40 == 19:
			what = "freeze"
			x.must(x.server.Freeze())
			backoff.Sleep(ctx, rand.N(time.Second))
			x.must(x.server.Thaw())
		default:
			if !x.kill(ctx, what) {
				continue
			}
		}
		x.faults[what]++
	}
}

func (x *chaotic) must(err error) {
	if err != nil {
		x.Error(err)
	}
}

// kill ends a connection, or its statement, whichever client's it is.
func (x *chaotic) kill(ctx context.Context, what string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var id int64
	err := x.db.QueryRowContext(ctx, "SELECT ID FROM information_schema.PROCESSLIST WHERE ID <> CONNECTION_ID() AND USER = 'leasehold' ORDER BY RAND() LIMIT 1").Scan(&id)
	if err == nil {
		_, err = x.db.ExecContext(ctx, "KILL "+what+" "+number(id))
	}
	return err == nil
}

func (x *chaotic) judge() {
	total := int64(0)
	for _, name := range x.names {
		stored := value[int64](x, x.db, "SELECT n FROM counter WHERE name = '"+name+"'")
		confirmed, unknown := x.confirmed[name], x.unknown[name]
		if stored < confirmed || stored > confirmed+unknown {
			x.Errorf("%q: %d additions were confirmed, %d are of unknown outcome, and %d are stored", name, confirmed, unknown, stored)
		}
		total += confirmed
	}
	c := newClient(x, Open(x.server.URL(), Config{}))
	view, err := c.Read(x.Context(), driver.Query{Limit: 10})
	x.must(err)
	for _, l := range view.Locks {
		for p := range l.Places() {
			if _, alive := view.Leases[p.Lease]; alive {
				await(x, "a client that was closed leaves nothing that does not expire", func() bool {
					_, _ = c.EndLease(x.Context(), p.Lease, driver.Grounds{Overdue: time.Second})
					view, err := c.Read(x.Context(), driver.Query{Names: []string{l.Name}})
					_, alive := view.Leases[p.Lease]
					return err == nil && !alive
				})
			}
		}
	}
	x.Logf("%d additions, %v unknown, faults %v", total, x.unknown, x.faults)
	if total < 20 || len(x.faults) < 3 {
		x.Errorf("%d additions under the faults %v: the test shows nothing", total, x.faults)
	}
}
