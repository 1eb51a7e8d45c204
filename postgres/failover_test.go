package postgres

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// cluster is a primary and standbys, as clients see it.
type cluster struct {
	*testing.T
	servers []*pgserver.Server // the first is the primary
	pool    *pgxpool.Pool
	store   *Store
	ttl     time.Duration // of the clients, and the cap
}

func newCluster(t *testing.T, ttl time.Duration, standbys ...string) *cluster {
	t.Helper()
	c := &cluster{T: t, ttl: ttl, servers: []*pgserver.Server{pgserver.ForTest(t, pgserver.Config{})}}
	for _, name := range standbys {
		s, err := c.servers[0].Standby(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		c.servers = append(c.servers, s)
	}
	cfg, err := pgxpool.ParseConfig(pgserver.MultiURL(c.servers...))
	if err != nil {
		t.Fatal(err)
	}
	cfg.MinConns = 0
	if c.pool, err = pgxpool.NewWithConfig(context.Background(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.pool.Close)
	c.store = New(c.pool, Config{})
	if err := errors.Join(c.store.Migrate(t.Context()), c.store.SetMaxTTL(t.Context(), ttl)); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *cluster) client() *leasehold.Client {
	c.Helper()
	return openClient(c, c.store, leasehold.Config{TTL: c.ttl})
}

// detach makes the standbys lack what is written from here on, and nothing before.
func (c *cluster) detach() {
	c.Helper()
	await(c, "the standbys have everything", func() bool {
		behind, err := c.servers[0].Query(c.Context(), `select count(*) from pg_stat_replication where replay_lsn < pg_current_wal_lsn()`)
		return err == nil && behind == "0"
	})
	for _, s := range c.servers[1:] {
		if err := s.Detach(c.Context()); err != nil {
			c.Fatal(err)
		}
	}
}

// failOver kills the primary and promotes the next server. It returns an instant before.
func (c *cluster) failOver() time.Time {
	c.Helper()
	before := time.Now()
	if err := errors.Join(c.servers[0].Kill(), c.servers[1].Promote(c.Context())); err != nil {
		c.Fatal(err)
	}
	c.servers = c.servers[1:]
	return before
}

func (c *cluster) timeline() string {
	c.Helper()
	line, err := c.servers[0].Query(c.Context(), `select `+timelineSQL)
	if err != nil {
		c.Fatal(err)
	}
	return line
}

// A hand-over is lost when a standby that lags is promoted; then a second standby, which
// knows neither of that nor of the first promotion, and gets the same timeline. Whoever
// believed is told or runs out before anybody else is granted the lock, every fence
// exceeds all before it, and a lock that all copies have is kept all the time.
func TestHazard43_LaggingStandbysArePromoted(t *testing.T) {
	t.Parallel()
	const ttl = 4 * time.Second
	c := newCluster(t, ttl, "one", "two")
	a, b, keeper := c.client(), c.client(), c.client()
	kept, first := acquireLock(t, keeper, "kept"), acquireLock(t, a, "x")
	granted := make(chan *leasehold.Lock, 1)
	go func() {
		lock, _ := b.Acquire(t.Context(), "x")
		granted <- lock
	}()
	await(t, "b waits", func() bool {
		info, err := a.Get(t.Context(), "x")
		return err == nil && len(info.Waiters) == 1
	})
	c.detach()
	first.Close()
	last := <-granted

	var lines []string
	for range 2 {
		failed := c.failOver()
		lines = append(lines, c.timeline())
		<-last.Context().Done()
		if cause := context.Cause(last.Context()); !errors.Is(cause, leasehold.ErrLost) {
			t.Errorf("ended: %v", cause)
		}
		last.Close()
		next := acquireLock(t, c.client(), "x")
		if waited := time.Since(failed); waited < ttl {
			t.Errorf("granted %v after the failover, within the pause", waited)
		}
		if next.Fence() <= last.Fence() {
			t.Errorf("fence %d after %d", next.Fence(), last.Fence())
		}
		last = next
	}
	if lines[0] != lines[1] {
		t.Errorf("timelines %v: this was to show two that are the same", lines)
	}
	if !kept.Held() {
		t.Errorf("a lock that every copy has was lost: %v", context.Cause(kept.Context()))
	}
	last.Close()
	await(t, "no ghost is left", func() bool {
		info, err := a.Get(t.Context(), "x")
		return err == nil && info.State == leasehold.Free && len(info.Waiters) == 0
	})
}

// Without a setting that asks for a primary, a standby that is met first is named as what
// it is.
func TestHazard45_Standby(t *testing.T) {
	t.Parallel()
	c := newCluster(t, testTTL, "one")
	pool, err := pgxpool.New(t.Context(), c.servers[1].URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if err := connect(t, New(pool, Config{}), testTTL); !errors.Is(err, errReadOnly) {
		t.Errorf("Connect to a standby: %v", err)
	}
	acquireLock(t, c.client(), "x").Close()
}

// A backup that is restored knows of fewer grants: a new epoch is declared, nobody is
// granted anything before all trust is over, and fences go on rising.
func TestHazard24_FencesRiseOverARestore(t *testing.T) {
	t.Parallel()
	store, pool, schema := graced(t, 200*time.Millisecond)
	cfg := leasehold.Config{TTL: 200 * time.Millisecond}
	client := openClient(t, store, cfg)
	old := acquireLock(t, client, "x")
	old.Close()
	for _, table := range []string{"lock", "lease"} {
		execSQL(t, pool, `CREATE TABLE `+schema+`.backup_of_`+table+` AS TABLE `+schema+`.`+table)
	}
	lost := acquireLock(t, client, "x")
	for _, table := range []string{"lock", "lease"} {
		execSQL(t, pool, `DELETE FROM `+schema+`.`+table)
		execSQL(t, pool, `INSERT INTO `+schema+`.`+table+` TABLE `+schema+`.backup_of_`+table)
	}
	restored := time.Now()
	if err := store.NewEpoch(t.Context()); err != nil {
		t.Fatal(err)
	}
	next := acquireLock(t, openClient(t, store, cfg), "x")
	if waited := time.Since(restored); waited < 200*time.Millisecond {
		t.Errorf("granted after %v", waited)
	}
	if lost.Held() || next.Fence() <= lost.Fence() {
		t.Errorf("held %v; fence %d after %d", lost.Held(), next.Fence(), lost.Fence())
	}
}
