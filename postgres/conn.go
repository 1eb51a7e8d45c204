package postgres

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/coalesce"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// conn is one client's access: three links at most, each dialled on first use.
type conn struct {
	cfg       Config
	ttl       time.Duration
	tolerance time.Duration
	dialer    *dialer

	// told are the statements for a server that tells its timeline, blind
	// those for one that does not.
	told, blind *statements

	command   *link // everything but what follows, one statement at a time
	keepalive *link // renewals, and reads that are part of one
	listen    *link

	calls     *coalesce.Queue[*call]
	making    []*call // calls that are being made, and their callers not told; run's own
	unflushed unflushed
	waits     *queued

	// They are guarded by the turn of command.
	quick  names          // that our last release has left free
	calm   map[string]int // how often in a row nobody waited for them when we released them
	hot    names          // that we had to wait for the last time
	locked names          // whose row was locked by somebody else for long

	mu    sync.Mutex     // guards the field below
	grace liveness.Grace // the pause in granting that is watched
}

var (
	_ driver.Conn     = (*conn)(nil)
	_ driver.Listener = (*conn)(nil)
	_ driver.Starter  = (*conn)(nil)
)

func newConn(from source, cfg Config, settings driver.Settings) *conn {
	d := newDialer(from.pool, settings.TTL)
	told := newStatements(cfg)
	d.db, d.sql = from.db, told
	c := &conn{
		cfg: cfg, ttl: settings.TTL, tolerance: settings.Tolerance, dialer: d,
		told: told, blind: told.blind(),
		command:   newLink(d, true),
		keepalive: newLink(d, false),
		listen:    newLink(d, false),
		waits:     newQueued(),
		quick:     names{}, calm: map[string]int{}, hot: names{}, locked: names{},
	}
	c.calls = c.newCalls()
	return c
}

// statements returns those that s can run.
func (c *conn) statements(s *session) *statements {
	if s.blind {
		return c.blind
	}
	return c.told
}

// on runs fn on a link, under a context that also ends with the Conn.
func (c *conn) on(ctx context.Context, l *link, fn func(context.Context, *session, *statements) error) error {
	if c.dialer.ctx.Err() != nil {
		return errClosed
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.dialer.ctx, func() { cancel(errClosed) })()
	err := l.use(ctx, func(ctx context.Context, s *session) error {
		return fn(ctx, s, c.statements(s))
	})
	if err != nil && c.dialer.ctx.Err() != nil {
		return fmt.Errorf("%w: %w", errClosed, err)
	}
	return err
}

// politeness is how long closing a connection may take to say good-bye.
const politeness = time.Second

// Close ends the calls in progress and closes the connections. It waits for
// them a second at most; a hook of the caller's that hangs is left behind.
func (c *conn) Close() error {
	c.dialer.stop(errClosed)
	ctx, cancel := context.WithTimeout(context.Background(), politeness)
	defer cancel()
	for _, l := range []*link{c.command, c.keepalive, c.listen} {
		l.close(ctx)
	}
	done := make(chan struct{})
	go func() {
		c.dialer.wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	return nil
}
