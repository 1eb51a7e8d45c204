package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
	"github.com/leaseholdgo/leasehold/postgres/internal/advisory"
)

// dial makes the session of all clients. It returns when ctx ends, but for hooks of the
// caller's that do not honour it.
func (s *SessionStore) dial(ctx context.Context, ttl time.Duration, lost []keyed.Session) (keyed.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime(ttl))
	defer cancel()
	conn, raw, err := s.connect(ctx, ttl)
	if err != nil {
		return nil, classify(err)
	}
	session, err := s.begin(ctx, conn, raw, ttl, lost)
	if err != nil {
		_ = raw.Close()
		return nil, classify(err)
	}
	return session, nil
}

// connect dials one connection with the settings and hooks of the caller's pool.
func (s *SessionStore) connect(ctx context.Context, ttl time.Duration) (*pgx.Conn, net.Conn, error) {
	d := &dialer{pool: s.pool, ttl: ttl}
	cfg := s.pool.Copy().ConnConfig
	if s.pool.BeforeConnect != nil {
		if err := s.pool.BeforeConnect(ctx, cfg); err != nil {
			return nil, nil, fmt.Errorf("BeforeConnect: %w", err)
		}
	}
	var unsure, connected atomic.Bool
	d.prepare(cfg, &unsure, &connected)
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // nothing is prepared before we know whose process it is
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, nil, refusedSetting(err)
	}
	connected.Store(true)
	raw := socket(conn)
	if s.pool.AfterConnect != nil {
		if err := s.pool.AfterConnect(ctx, conn); err != nil {
			_ = raw.Close()
			return nil, nil, fmt.Errorf("AfterConnect: %w", err)
		}
	}
	return conn, raw, nil
}

// begin makes a session of a connection. Before it has seen that no pooler is in between it
// changes nothing, which might be of another's connection.
func (s *SessionStore) begin(ctx context.Context, conn *pgx.Conn, raw net.Conn, ttl time.Duration, lost []keyed.Session) (*advisory.Session, error) {
	if err := s.refusePooler(ctx, conn, ttl); err != nil {
		return nil, err
	}
	backend, err := setUpSession(ctx, conn, ttl)
	if err != nil {
		return nil, err
	}
	if err := endBackends(ctx, conn, lost); err != nil {
		return nil, err
	}
	if backend.Identity, err = takeIdentity(ctx, conn); err != nil {
		return nil, err
	}
	fences, err := s.cfg.fences(ctx, conn)
	if err != nil {
		return nil, err
	}
	if err := advisory.Prepare(ctx, conn.PgConn(), fences); err != nil {
		return nil, err
	}
	return advisory.NewSession(ctx, conn.PgConn(), raw, backend, ttl)
}

// errPooler is the refusal of a pooler in transaction mode.
var errPooler = errors.New("a pooler in transaction mode is in between, where a session lock would be left with a connection of somebody else's: " + direct)

// refusePooler returns an error if connections share server processes. Where the process
// is the one that the server named at the login, it is ours.
func (s *SessionStore) refusePooler(ctx context.Context, conn *pgx.Conn, ttl time.Duration) error {
	var pid uint32
	if err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_backend_pid()`).Scan(&pid); err != nil {
		return err
	}
	if pid == conn.PgConn().PID() {
		return nil
	}
	second, raw, err := s.connect(ctx, ttl)
	if err != nil {
		return fmt.Errorf("something is between us and the server, and a second connection, to see what, failed: %w", err)
	}
	defer raw.Close()
	served, err := servedBy(ctx, conn, second)
	switch {
	case err != nil:
		return fmt.Errorf("something is between us and the server, and what it is could not be found out: %w", err)
	case len(served[0]) != 1 || len(served[1]) != 1 || served[0][0] == served[1][0]:
		return driver.Permanent(errPooler)
	}
	return nil
}

// setUpSessionSQL makes the settings of the session, and asks which process it is. $1 and
// on: statement timeout, lock timeout, idle timeout, and for TCP: idle time, interval (both
// in seconds), user timeout, and how often a running statement looks for its client.
//
// Settings that the server lacks, or cannot make where it runs, are left out: they bound
// the detection of what vanished, and do not make it. No commit of this session's has to be
// durable, except where a fence is drawn ahead of the clock: nothing is stored but the last fence.
const setUpSessionSQL = `SET statement_timeout = %[1]d; SET lock_timeout = %[2]d;
SELECT
	(SELECT pg_catalog.count(pg_catalog.set_config(s.name, v.value, false))
		FROM pg_catalog.pg_settings AS s
		JOIN (VALUES ('idle_session_timeout', '%[3]d'), ('transaction_timeout', '0'),
			('tcp_keepalives_idle', '%[4]d'), ('tcp_keepalives_interval', '%[5]d'), ('tcp_keepalives_count', '3'),
			('tcp_user_timeout', '%[6]d'), ('client_connection_check_interval', '%[7]d')) AS v(name, value) ON v.name = s.name
		WHERE s.name <> 'client_connection_check_interval' OR pg_catalog.version() LIKE '%%linux%%'),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '%[1]d', false),
	pg_catalog.set_config('default_transaction_isolation', 'read committed', false),
	pg_catalog.set_config('default_transaction_deferrable', 'off', false),
	pg_catalog.set_config('synchronous_commit', 'off', false),
	pg_catalog.set_config('TimeZone', 'UTC', false),
	pg_catalog.set_config('search_path', 'pg_catalog', false),
	pg_catalog.set_config('client_min_messages', 'warning', false),
	pg_catalog.set_config('jit', 'off', false),
	pg_catalog.set_config('plan_cache_mode', 'force_generic_plan', false),
	pg_catalog.set_config('application_name', pg_catalog.left(pg_catalog.concat_ws(' ',
		nullif(pg_catalog.current_setting('application_name'), ''), 'leasehold session'), 63), false);
SELECT pg_catalog.pg_backend_pid(), extract(epoch FROM a.backend_start), a.usesysid,
	pg_catalog.pg_is_in_recovery()
FROM pg_catalog.pg_stat_activity AS a WHERE a.pid = pg_catalog.pg_backend_pid()`

func setUpSession(ctx context.Context, conn *pgx.Conn, ttl time.Duration) (advisory.Backend, error) {
	d := &dialer{ttl: ttl}
	check := min(max(ttl/3, time.Second), 10*time.Second)
	sql := fmt.Sprintf(setUpSessionSQL,
		d.statementTimeout().Milliseconds(), d.lockTimeout().Milliseconds(), advisory.IdleTimeout(ttl).Milliseconds(),
		wholeSeconds(ttl), wholeSeconds(ttl/6), (2 * ttl).Milliseconds(), check.Milliseconds())
	results, err := conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return advisory.Backend{}, err
	}
	last := results[len(results)-1]
	if len(last.Rows) != 1 {
		return advisory.Backend{}, errors.New("the server does not show our own session")
	}
	row := last.Rows[0]
	if string(row[3]) == "t" { // its advisory locks are its own
		return advisory.Backend{}, errReadOnly
	}
	return advisory.Backend{PID: string(row[0]), Started: string(row[1]), Role: string(row[2])}, nil
}

// takeIdentity takes an advisory lock by which guards know the session: a process id may be
// another's later.
func takeIdentity(ctx context.Context, conn *pgx.Conn) (identity int64, err error) {
	for taken := false; !taken && err == nil; {
		id := driver.NewID()
		identity = int64(binary.BigEndian.Uint64(id[:]))
		err = conn.QueryRow(ctx, advisory.IdentitySQL, identity).Scan(&taken)
	}
	return identity, err
}

// wholeSeconds rounds up, to one at least.
func wholeSeconds(d time.Duration) int64 { return max(int64((d+time.Second-1)/time.Second), 1) }

// endBackends makes sure that the processes of sessions that were lost have ended. All
// that they held has been given up by us, and would else stay taken until the server
// notices.
func endBackends(ctx context.Context, conn *pgx.Conn, lost []keyed.Session) error {
	s := &session{Conn: conn}
	for _, gone := range lost {
		b := gone.(*advisory.Session).Backend
		for pause := time.Millisecond; ; pause = min(2*pause, 50*time.Millisecond) {
			ended, err := s.end(ctx, backend{pid: b.PID, started: b.Started, role: b.Role})
			if err != nil {
				return fmt.Errorf("ending the process of a lost session: %w", err)
			}
			if ended {
				break
			}
			select {
			case <-time.After(pause):
			case <-ctx.Done():
				return fmt.Errorf("the process of a lost session has not ended: %w", ctxError(ctx))
			}
		}
	}
	return nil
}
