package cluster

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 3)) }

// adminTimeout bounds a statement of a nemesis.
const adminTimeout = 20 * time.Second

// on runs fn with a connection to the primary that nothing stands in the way of.
func (c *Cluster) on(ctx context.Context, fn func(context.Context, *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, c.Direct())
		if err == nil {
			return errors.Join(fn(ctx, conn), conn.Close(context.WithoutCancel(ctx)))
		}
		select { // all connections may be taken
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// signal calls a function, pg_terminate_backend or pg_cancel_backend, with up to
// most of the sessions of client processes, chosen at random.
func (c *Cluster) signal(ctx context.Context, function string, most int) error {
	return c.on(ctx, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `SELECT `+function+`(pid) FROM (
			SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
			AND datname = current_database() AND starts_with(application_name, $2) ORDER BY random() LIMIT $1) AS chosen`, most, name)
		return err
	})
}

// Terminate ends up to eight sessions.
func (c *Cluster) Terminate(ctx context.Context) error {
	most := 1 + c.dice.IntN(8)
	if c.maria != nil {
		return c.maria.signal(ctx, "KILL ", most)
	}
	return c.signal(ctx, "pg_terminate_backend", most)
}

// Cancel cancels what up to 24 sessions are doing, if they are doing anything.
func (c *Cluster) Cancel(ctx context.Context) error {
	most := 1 + c.dice.IntN(24)
	if c.maria != nil {
		return c.maria.signal(ctx, "KILL QUERY ", most)
	}
	return c.signal(ctx, "pg_cancel_backend", most)
}

// Crowd opens connections until the server takes no more, ends some of those of
// clients, which would notice nothing otherwise, and keeps its own until ctx ends.
func (c *Cluster) Crowd(ctx context.Context) error {
	if c.maria != nil {
		return c.maria.crowd(ctx)
	}
	var all crowd
	defer all.leave(ctx)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { all.fill(ctx, c.Direct()) })
	}
	wg.Wait()
	if len(all.conns) > 0 && ctx.Err() == nil {
		_, err := all.conns[0].Exec(ctx, `SELECT pg_terminate_backend(pid) FROM (
			SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, $1) ORDER BY random() LIMIT 8) AS chosen`, name)
		if err != nil && ctx.Err() == nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// crowd is connections that do nothing.
type crowd struct {
	mu    sync.Mutex // guards the field below
	conns []*pgx.Conn
}

// fill connects until it cannot.
func (c *crowd) fill(ctx context.Context, url string) {
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return
		}
		c.mu.Lock()
		c.conns = append(c.conns, conn)
		c.mu.Unlock()
	}
}

func (c *crowd) leave(ctx context.Context) {
	for _, conn := range c.conns {
		_ = conn.Close(context.WithoutCancel(ctx)) // the server may have ended it
	}
}

// Snapshot holds a snapshot of a database, at its Direct address, open until ctx
// ends, or the session is ended, so that no row version is cleared away. It may go on
// while other things are done to the cluster.
func Snapshot(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, `BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM leasehold.lock`)
	if err == nil {
		<-ctx.Done()
	}
	return nil
}
