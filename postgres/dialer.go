package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// dialer makes sessions of one Conn, with the settings of the caller's pool.
type dialer struct {
	pool *pgxpool.Config // nil: connections are those of db
	db   *sql.DB
	ttl  time.Duration
	sql  *statements // of what has no other place to have them from

	lending atomic.Bool // a pooler was seen to lend server processes
	polls   atomic.Bool // there was a session that gets no notifications

	ctx  context.Context // ends with the Conn
	stop context.CancelCauseFunc
	wg   sync.WaitGroup // dials in progress
}

func newDialer(pool *pgxpool.Config, ttl time.Duration) *dialer {
	ctx, stop := context.WithCancelCause(context.Background())
	return &dialer{pool: pool, ttl: ttl, ctx: ctx, stop: stop}
}

// dialTimeout bounds one dial, hooks and settings included.
func (d *dialer) dialTimeout() time.Duration { return max(d.ttl, 5*time.Second) }

// start dials in the background and sends the result to done, once.
func (d *dialer) start(done chan<- dialled) {
	d.wg.Go(func() {
		ctx, cancel := context.WithTimeout(d.ctx, d.dialTimeout())
		defer cancel()
		s, err := d.dial(ctx)
		if err == nil && d.ctx.Err() != nil { // closed meanwhile: nobody comes for it
			s.discard()
			s, err = nil, errClosed
		}
		done <- dialled{s, err}
	})
}

func (d *dialer) dial(ctx context.Context) (*session, error) {
	if d.db != nil {
		return d.lend(ctx)
	}
	s := &session{unsure: new(atomic.Bool)}
	cfg := d.pool.Copy().ConnConfig
	if d.pool.BeforeConnect != nil {
		if err := d.pool.BeforeConnect(ctx, cfg); err != nil {
			return nil, fmt.Errorf("BeforeConnect: %w", err)
		}
	}
	var connected atomic.Bool
	d.prepare(cfg, s.unsure, &connected)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	connected.Store(true)
	s.Conn, s.raw, s.dialled = conn, socket(conn), clock.Now()
	if d.pool.AfterConnect != nil {
		if err := d.pool.AfterConnect(ctx, conn); err != nil {
			s.discard()
			return nil, fmt.Errorf("AfterConnect: %w", err)
		}
	}
	if err := d.setUp(ctx, s); err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// socket returns the connection below TLS, to close without a word to the server. (The
// dial function does not know it: pgx may call it for hosts that it then gives up.)
func socket(conn *pgx.Conn) net.Conn {
	raw := conn.PgConn().Conn()
	if secured, ok := raw.(interface{ NetConn() net.Conn }); ok {
		return secured.NetConn()
	}
	return raw
}

// prepare changes a copy of the caller's connection settings to what we need.
func (d *dialer) prepare(cfg *pgx.ConnConfig, unsure, connected *atomic.Bool) {
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		// pgx would dial again only to ask for the cancellation of a statement
		// it gave up. The backend is ended by the session that follows.
		if connected.Load() {
			return nil, errClosed
		}
		raw, err := dial(ctx, network, addr)
		if err == nil {
			watchPeer(raw, d.ttl)
		}
		return raw, err
	}
	notice := cfg.OnNotice
	cfg.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" && n.Code == codeWarning {
			unsure.Store(true)
		}
		if notice != nil {
			notice(conn, n)
		}
	}
	cfg.OnNotification = nil // ours are read by WaitForNotification
	cfg.DefaultQueryExecMode = pgx.QueryExecModeCacheStatement
	cfg.StatementCacheCapacity = 64
}

// codeWarning is the SQLSTATE of the warning that a wait for synchronous
// replication was cancelled. No statement of ours causes another one.
const codeWarning = "01000"

// setUpSQL makes the settings that safety needs, for this session only, and asks
// what we must know, in one round trip. The first statements come one by one: a
// statement timeout of the server's may be too short for a longer one. Each is for one
// server process, and does nothing on any other: behind a pooler they might be somebody
// else's settings.
//
// The planner settings: tables begin empty and grow, and a plan made for a
// small table must not scan a large one: every row is found by its key. (Compilation
// would be tried for the cost that stands for "disabled".)
const setUpSQL = `SELECT pg_catalog.set_config('statement_timeout', '%[1]d', false) WHERE pg_catalog.pg_backend_pid() = %[3]d;
SELECT pg_catalog.set_config('lock_timeout', '%[2]d', false) WHERE pg_catalog.pg_backend_pid() = %[3]d;
SELECT
	pg_catalog.set_config('idle_in_transaction_session_timeout', '%[1]d', false),
	(SELECT count(pg_catalog.set_config(s.name, '0', false)) FROM pg_catalog.pg_settings AS s
		WHERE s.name IN ('idle_session_timeout', 'transaction_timeout')), -- which older servers lack
	pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
	pg_catalog.set_config('default_transaction_deferrable', 'off', false),
	pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit')
		WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, false),
	pg_catalog.set_config('TimeZone', 'UTC', false),
	pg_catalog.set_config('DateStyle', 'ISO', false),
	pg_catalog.set_config('search_path', 'pg_catalog', false),
	pg_catalog.set_config('client_min_messages', 'warning', false),
	pg_catalog.set_config('enable_seqscan', 'off', false),
	pg_catalog.set_config('enable_hashjoin', 'off', false),
	pg_catalog.set_config('enable_mergejoin', 'off', false),
	pg_catalog.set_config('jit', 'off', false),
	pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false),
	pg_catalog.set_config('application_name', pg_catalog.left(pg_catalog.concat_ws(' ',
		nullif(pg_catalog.current_setting('application_name'), ''), 'leasehold'), 63), false)
WHERE pg_catalog.pg_backend_pid() = %[3]d;
SELECT pg_catalog.pg_backend_pid(), extract(epoch FROM a.backend_start),
	pg_catalog.current_setting('server_encoding'),
	pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('default_transaction_read_only'),
	a.usesysid
FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = pg_catalog.pg_backend_pid()`

func (d *dialer) setUp(ctx context.Context, s *session) error {
	process := s.PgConn().PID()
	row, err := d.setUpFor(ctx, s, process)
	if err != nil {
		return err
	}
	if pid := string(row[0]); pid != fmt.Sprint(process) { // a pooler is in between
		process, own := d.own(ctx, s)
		if !own {
			s.lent = &lent{wire: pgxWire{s}}
			return d.setUpLent(ctx, s)
		}
		if row, err = d.setUpFor(ctx, s, process); err != nil {
			return err
		}
		if string(row[0]) != fmt.Sprint(process) {
			return errMoved
		}
	}
	if err := usable(string(row[2]), string(row[3]) == "t" || string(row[4]) == "on"); err != nil {
		return err
	}
	s.backend = backend{pid: string(row[0]), started: string(row[1]), role: string(row[5])}
	return s.identify(ctx)
}

// setUpFor makes the settings if the server process is the one named, and returns what the
// server says of the process that it is.
func (d *dialer) setUpFor(ctx context.Context, s *session, process uint32) ([][]byte, error) {
	sql := fmt.Sprintf(setUpSQL, d.statementTimeout().Milliseconds(), d.lockTimeout().Milliseconds(), process)
	results, err := s.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, err
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 {
		return nil, errors.New("the server does not show our own session")
	}
	return last.Rows[0], nil
}

// usable returns an error for a database that locks cannot be kept in, or not now.
func usable(encoding string, readOnly bool) error {
	if encoding != "UTF8" {
		return driver.Permanent(fmt.Errorf("the database's encoding is %s: names need UTF8", encoding))
	}
	if readOnly {
		return errReadOnly
	}
	return nil
}

// statementTimeout bounds each statement on the server's side.
func (d *dialer) statementTimeout() time.Duration { return d.ttl / 2 }

// lockTimeout bounds one wait for a row that somebody else keeps locked, and with it how
// long calls for other rows may have to wait behind that.
func (d *dialer) lockTimeout() time.Duration {
	return min(max(d.ttl/20, 20*time.Millisecond), 50*time.Millisecond)
}
