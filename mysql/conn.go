package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/coalesce"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// conn is one client's access: three links at most.
type conn struct {
	cfg       Config
	t         tables
	ttl       time.Duration
	tolerance time.Duration
	db        *sql.DB
	own       bool // db is ours

	command   *link // everything but what follows, one call at a time
	keepalive *link // renewals, and reads that are part of one
	listen    *link

	calls *coalesce.Queue[*call]
	rough names // whose rows were not plain the last time; guarded by the turn of command

	ctx   context.Context // ends with Close
	stop  context.CancelCauseFunc
	dials sync.WaitGroup // in progress

	mu     sync.Mutex // guards the fields below
	grace  liveness.Grace
	leases map[driver.ID]bool          // made by this Conn
	sure   known                       // their grants that are known to be on the disk
	waits  map[driver.Attempt]struct{} // their attempts that are queued, as far as is known
	news   chan struct{}               // closed, and replaced, when an attempt is queued
}

var (
	_ driver.Conn       = (*conn)(nil)
	_ driver.Listener   = (*conn)(nil)
	_ driver.DataKeeper = (*conn)(nil)
	_ driver.Starter    = (*conn)(nil)
)

func newConn(db *sql.DB, own bool, cfg Config, settings driver.Settings) *conn {
	c := &conn{
		cfg: cfg, t: newTables(cfg), ttl: settings.TTL, tolerance: settings.Tolerance, db: db, own: own,
		rough:  names{},
		leases: map[driver.ID]bool{},
		sure:   known{},
		waits:  map[driver.Attempt]struct{}{},
		news:   make(chan struct{}),
	}
	c.ctx, c.stop = context.WithCancelCause(context.Background())
	c.command, c.keepalive, c.listen = c.newLink(), c.newLink(), c.newLink()
	c.command.ordered = true
	c.calls = coalesce.New(coalesce.Config[*call]{
		Run:      c.make,
		Name:     func(r *call) string { return r.Name },
		Together: func(a, b *call) bool { return a.Lease == b.Lease },
		Most:     maxBatch,
	})
	return c
}

func (c *conn) newLink() *link {
	return &link{db: c.db, life: c.ctx, dials: &c.dials, multi: c.own, patience: c.ttl / 2, turn: make(chan struct{}, 1)}
}

// on runs fn on a link, under a context that also ends with the Conn.
func (c *conn) on(ctx context.Context, l *link, fn func(context.Context, *session) error) error {
	if c.ctx.Err() != nil {
		return errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(errClosed) })()
	err := l.use(ctx, fn)
	if err != nil && c.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errClosed, err)
	}
	return err
}

// politeness bounds the wait for calls in progress when a Conn is closed.
const politeness = time.Second

// Close ends the calls in progress and closes the connections. It waits for the calls a
// second at most.
func (c *conn) Close() error {
	c.stop(errClosed)
	ctx, cancel := context.WithTimeout(context.Background(), politeness)
	defer cancel()
	for _, l := range []*link{c.command, c.keepalive, c.listen} {
		l.close(ctx)
	}
	done := make(chan struct{})
	go func() {
		c.dials.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	if c.own {
		_ = c.db.Close() // it has no connection left that could fail to close
	}
	return nil
}
