package postgres

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

var _ driver.Diagnoser = (*Store)(nil)

// Diagnose looks whether the server, the role and the tables are fit to keep locks
// in, and returns what it found, in a fixed order: the server and how it is reached,
// what the role may do, the tables, the incarnation and its epoch, the settings that
// the caller's own transactions get, clock, latency, notifications, and load.
//
// It does not prove that locks work: it makes none. What it measures holds for the
// moment. It changes no table, and no setting but on connections of its own; it
// writes ten empty messages to the server's log to time commits.
//
// An error means that the server could not be reached, within five seconds, or not any
// more, or that ctx ended; it is marked with
// driver.Permanent where a repeated call cannot help. What the role may not see, or
// takes longer than five seconds, is a warning among the findings. It takes about
// three seconds and three connections, made with the settings and hooks of the pool,
// and returns when ctx ends.
func (s *Store) Diagnose(ctx context.Context) ([]driver.Finding, error) {
	return s.diagnose(ctx, clockSpan)
}

// diagnose looks at the clocks twice, at least span apart.
func (s *Store) diagnose(ctx context.Context, span time.Duration) ([]driver.Finding, error) {
	if err := s.cfg.validate(); err != nil {
		return nil, err
	}
	from, err := s.source(ctx)
	if err != nil {
		return nil, err
	}
	if from.pool == nil {
		return nil, driver.Permanent(fmt.Errorf("the diagnosis: %w: it needs a connection of pgx's", driver.ErrUnsupported))
	}
	x := &examination{cfg: s.cfg, dialer: newDialer(from.pool, migrateTTL), span: span}
	defer x.close()
	if err := x.contact(ctx); err != nil {
		return nil, classify(refusedSetting(err))
	}
	findings := diagnosis.Run(ctx, checkLimit, x.checks())
	if err := cmp.Or(x.lost, ctxError(ctx)); err != nil {
		return nil, classify(err)
	}
	return findings, nil
}

// contact makes the first connection and reads what many checks need.
func (x *examination) contact(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	if x.conn, err = x.connect(ctx); err != nil {
		return err
	}
	return x.look(ctx)
}

// checkLimit bounds one check.
const checkLimit = 5 * time.Second

// examination is one call of Diagnose. Its fields are what earlier checks tell
// later ones.
type examination struct {
	cfg    Config
	dialer *dialer
	span   time.Duration
	conn   *pgx.Conn // as the caller's own are
	own    *session  // as ours are; nil: could not be made, or would do harm

	settings map[string]setting
	role     string
	database string
	standby  bool
	readOnly bool // a standby, or so by default
	shared   bool // connections share server processes: a pooler in transaction mode
	crowded  bool // there is no second connection
	tables   bool // they can be read, and are of our version
	first    sample
	lost     error // the server cannot be reached any more
}

// checks returns all of them, in the order of the findings.
func (x *examination) checks() []diagnosis.Check {
	all := []diagnosis.Check{
		{Name: "server", Run: x.server},
		{Name: "primary", Run: x.primary},
		{Name: "encoding", Run: x.encoding},
		{Name: "pooler", Run: x.pooler},
		{Name: "connection", Run: x.ourSettings},
		{Name: "schema", Run: x.schema},
		{Name: "privileges", Run: x.privileges},
		{Name: "tables", Run: x.shape},
		{Name: "incarnation", Run: x.incarnation},
		{Name: "epoch", Run: x.epoch},
		{Name: "replication", Run: x.replication},
		{Name: "durability", Run: x.durability},
		{Name: "commits", Run: x.commits},
		{Name: "isolation", Run: x.isolation},
		{Name: "timeouts", Run: x.timeouts},
		{Name: "time zone", Run: x.timeZone},
		{Name: "latency", Run: x.latency},
		{Name: "commit latency", Run: x.commitLatency},
		{Name: "notifications", Run: x.notifications},
		{Name: "clock", Run: x.clock},
		{Name: "connections", Run: x.connections},
		{Name: "snapshots", Run: x.snapshots},
		{Name: "rows", Run: x.rows},
		{Name: "autovacuum", Run: x.autovacuum},
	}
	for i, check := range all {
		all[i].Run = func(ctx context.Context) (driver.Finding, error) {
			if err := x.ready(ctx); err != nil {
				return driver.Finding{}, err
			}
			finding, err := check.Run(ctx)
			return finding, classify(err)
		}
	}
	return all
}

// connect makes a connection like those of the caller's pool. It prepares no
// statements: behind a pooler they would be another's.
func (x *examination) connect(ctx context.Context) (*pgx.Conn, error) {
	pool := x.dialer.pool
	cfg := pool.Copy().ConnConfig
	if pool.BeforeConnect != nil {
		if err := pool.BeforeConnect(ctx, cfg); err != nil {
			return nil, fmt.Errorf("BeforeConnect: %w", err)
		}
	}
	cfg.OnNotification = nil
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if pool.AfterConnect != nil {
		if err := pool.AfterConnect(ctx, conn); err != nil {
			hangUp(conn)
			return nil, fmt.Errorf("AfterConnect: %w", err)
		}
	}
	return conn, nil
}

// ready replaces a connection that an earlier check has cost. Where there is none any
// more, the checks that are left come to nothing.
func (x *examination) ready(ctx context.Context) error {
	if x.own != nil && x.own.IsClosed() {
		x.own = nil
	}
	if x.lost == nil && x.conn.IsClosed() {
		conn, err := x.connect(ctx)
		if err != nil {
			x.lost = err
		} else {
			x.conn = conn
		}
	}
	return x.lost
}

// look reads settings, the kind of server, and both clocks.
func (x *examination) look(ctx context.Context) error {
	if err := x.readSettings(ctx); err != nil {
		return err
	}
	x.readOnly = x.settings["default_transaction_read_only"].value == "on"
	err := x.conn.QueryRow(ctx, `SELECT pg_is_in_recovery(), quote_ident(current_user), quote_ident(current_database())`).
		Scan(&x.standby, &x.role, &x.database)
	if err != nil {
		return err
	}
	x.readOnly = x.readOnly || x.standby
	x.first, err = takeSample(ctx, x.conn)
	return err
}

func (x *examination) close() {
	x.dialer.stop(errClosed)
	if x.own != nil {
		x.own.hangUp()
	}
	if x.conn != nil {
		hangUp(x.conn)
	}
}

// hangUp closes a connection, politely if the network lets it.
func hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), politeness)
	defer cancel()
	_ = conn.Close(ctx)
}
