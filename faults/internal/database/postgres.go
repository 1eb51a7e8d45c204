package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/postgres"
)

// pgDatabase has a pool of its own for the guarded transactions.
type pgDatabase struct {
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
	d := pgDatabase{cfg: c, warned: new(sync.Map)}
	cfg.ConnConfig.OnNotice = func(conn *pgconn.PgConn, n *pgconn.Notice) {
		if n.Code == codeWarning {
			d.warned.Store(conn, true)
		}
	}
	if d.pool, err = pgxpool.NewWithConfig(ctx, cfg); err != nil {
		return nil, err
	}
	return d, nil
}

func (d pgDatabase) store() *postgres.Store {
	return postgres.New(d.pool, postgres.Config{Schema: d.cfg.Schema})
}

func (d pgDatabase) Store() driver.Store { return d.store() }

// in puts the schema into a statement.
func (d pgDatabase) in(sql string) string {
	return fmt.Sprintf(sql, pgx.Identifier{cmp.Or(d.cfg.Schema, "leasehold")}.Sanitize()+".")
}

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
	for _, table := range tables {
		if _, err := d.pool.Exec(ctx, d.in(table)); err != nil {
			return err
		}
	}
	_, err := d.pool.Exec(ctx, d.in(`INSERT INTO %scounter SELECT name, 0 FROM unnest($1::text[]) AS name`), names)
	return err
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

func (d pgDatabase) Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (Outcome, error) {
	tx, err := d.pool.Begin(ctx)
	if err != nil {
		return Aborted, err
	}
	if err := d.write(ctx, tx, lock, id, inside); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx)) // a connection that cannot is closed
		return Aborted, err
	}
	conn := tx.Conn().PgConn()
	d.warned.Delete(conn)
	if err := tx.Commit(ctx); err != nil {
		return Unknown, err
	}
	if _, warned := d.warned.LoadAndDelete(conn); warned {
		return Unknown, errNotReplicated
	}
	return Committed, nil
}

var errNotReplicated = errors.New("the commit may be lost in a failover")

// write asks for a durable commit, whatever the server's default is: what is
// checked is the guard, and not the server.
func (d pgDatabase) write(ctx context.Context, tx pgx.Tx, lock *leasehold.Lock, id string, inside func()) error {
	if _, err := tx.Exec(ctx, `SET LOCAL synchronous_commit = on`); err != nil {
		return err
	}
	if err := postgres.Guard(ctx, tx, lock); err != nil {
		return err
	}
	var value int64
	if err := tx.QueryRow(ctx, d.in(`SELECT value FROM %scounter WHERE name = $1`), lock.Name()).Scan(&value); err != nil {
		return err
	}
	inside()
	if _, err := tx.Exec(ctx, d.in(`UPDATE %scounter SET value = $2 WHERE name = $1`), lock.Name(), value+1); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, d.in(`INSERT INTO %sledger (id, name, value, fence) VALUES ($1, $2, $3, $4)`),
		id, lock.Name(), value+1, int64(lock.Fence()))
	return err
}

func (d pgDatabase) Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error) {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Commit(ctx) }() // nothing was written
	if err := postgres.Guard(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	read := d.in(`SELECT value FROM %scounter WHERE name = $1`)
	if err := tx.QueryRow(ctx, read, lock.Name()).Scan(&first); err != nil {
		return 0, 0, err
	}
	between()
	err = tx.QueryRow(ctx, read, lock.Name()).Scan(&second)
	return first, second, err
}

func (d pgDatabase) Counters(ctx context.Context) (map[string]int64, error) {
	rows, _ := d.pool.Query(ctx, d.in(`SELECT name, value FROM %scounter`)) // the error comes again with the rows
	counters := map[string]int64{}
	var name string
	var value int64
	_, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		counters[name] = value
		return nil
	})
	return counters, err
}

func (d pgDatabase) Ledger(ctx context.Context) ([]Entry, error) {
	rows, _ := d.pool.Query(ctx, d.in(`SELECT id, name, value, fence FROM %sledger`))
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
}

func (d pgDatabase) Owners(ctx context.Context) ([]string, error) {
	rows, _ := d.pool.Query(ctx, d.in(`SELECT owner FROM %slease`))
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (d pgDatabase) Close() error {
	d.pool.Close()
	return nil
}
