package database

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/postgres"
)

// pgDatabase has a pool of its own for the guarded transactions.
type pgDatabase struct {
	counters
	cfg    Config
	pool   *pgxpool.Pool
	warned *sync.Map // *pgconn.PgConn of a commit that may not be durable
}

// codeWarning is the SQLSTATE of the warning that a commit did not wait for a
// standby.
const codeWarning = "01000"

func openPostgres(ctx context.Context, c Config) (Database, error) {
	cfg, err := pgxpool.ParseConfig(c.URL)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 6
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	return OfPool(ctx, cfg, c)
}

// OfPool is Open for PostgreSQL, with a pool of these settings.
func OfPool(ctx context.Context, cfg *pgxpool.Config, c Config) (Database, error) {
	d := pgDatabase{cfg: c, warned: new(sync.Map)}
	cfg.ConnConfig.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.Code == codeWarning {
			d.warned.Store(conn, true)
		}
	}
	var err error
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	before := pgx.Identifier{cmp.Or(c.Schema, "leasehold")}.Sanitize() + "."
	d.counters = counters{stdlib.OpenDBFromPool(d.pool), guardPostgres, dialect{before: before, leases: "@lease", numbered: true}}
	return d, nil
}

// guardPostgres makes the transaction one that can be checked, whatever the database's
// defaults are: what is on trial is the guard. Its commit is durable, and its statements see
// what was committed before them.
func guardPostgres(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock) error {
	for _, statement := range []string{`SET TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE`, `SET LOCAL synchronous_commit = on`} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return postgres.GuardTx(ctx, tx, lock)
}

func (d pgDatabase) store() *postgres.Store {
	return postgres.New(d.pool, postgres.Config{Schema: d.cfg.Schema})
}

func (d pgDatabase) Store() driver.Store { return d.store() }

func (d pgDatabase) Prepare(ctx context.Context, names []string) error {
	if err := d.store().Migrate(ctx); err != nil {
		return err
	}
	if d.cfg.Longest != 0 {
		if err := d.store().SetMaxTTL(ctx, d.cfg.Longest); err != nil {
			return err
		}
	}
	if d.cfg.NoGrace {
		if err := d.store().SetGrace(ctx, false); err != nil {
			return err
		}
	}
	return d.make(ctx, names)
}

// Drop removes everything that was made in the schema of cfg, if it is there.
func Drop(ctx context.Context, cfg Config) error {
	conn, err := pgx.Connect(ctx, cfg.URL)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, `DROP SCHEMA IF EXISTS `+pgx.Identifier{cfg.Schema}.Sanitize()+` CASCADE`)
	return errors.Join(err, conn.Close(context.WithoutCancel(ctx)))
}

// Increment takes a commit for unknown of which the server has warned.
func (d pgDatabase) Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (Outcome, error) {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return Aborted, err
	}
	defer conn.Close()
	var line *pgconn.PgConn
	if err := conn.Raw(func(c any) error { line = c.(*stdlib.Conn).Conn().PgConn(); return nil }); err != nil {
		return Aborted, err
	}
	outcome, err := d.increment(ctx, conn.BeginTx, lock, id, inside)
	if _, warned := d.warned.LoadAndDelete(line); warned && outcome == Committed {
		return Unknown, errNotReplicated
	}
	return outcome, err
}

var errNotReplicated = errors.New("the commit may be lost in a failover")

// Look guards as users of pgx do, and Increment as those of database/sql: both are on trial.
func (d pgDatabase) Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error) {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Commit(ctx) }() // nothing was written
	if err := postgres.Guard(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	read := d.in(`SELECT value FROM @counter WHERE name = ?`)
	if err := tx.QueryRow(ctx, read, lock.Name()).Scan(&first); err != nil {
		return 0, 0, err
	}
	between()
	err = tx.QueryRow(ctx, read, lock.Name()).Scan(&second)
	return first, second, err
}

func (d pgDatabase) Close() error {
	err := d.db.Close()
	d.pool.Close()
	return err
}
