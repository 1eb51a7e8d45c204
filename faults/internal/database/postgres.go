package database

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/postgres"
)

// pgDatabase has a pool of its own for the guarded transactions.
type pgDatabase struct{ pool *pgxpool.Pool }

func openPostgres(ctx context.Context, url string) (Database, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = 6
	cfg.ConnConfig.ConnectTimeout = 2 * time.Second
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return pgDatabase{pool}, nil
}

func (d pgDatabase) Store() driver.Store { return postgres.New(d.pool, postgres.Config{}) }

func (d pgDatabase) Prepare(ctx context.Context, names []string) error {
	for _, table := range tables {
		if _, err := d.pool.Exec(ctx, table); err != nil {
			return err
		}
	}
	_, err := d.pool.Exec(ctx, `INSERT INTO counter SELECT name, 0 FROM unnest($1::text[]) AS name`, names)
	return err
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
	if err := tx.Commit(ctx); err != nil {
		return Unknown, err
	}
	return Committed, nil
}

func (pgDatabase) write(ctx context.Context, tx pgx.Tx, lock *leasehold.Lock, id string, inside func()) error {
	if err := postgres.Guard(ctx, tx, lock); err != nil {
		return err
	}
	var value int64
	if err := tx.QueryRow(ctx, `SELECT value FROM counter WHERE name = $1`, lock.Name()).Scan(&value); err != nil {
		return err
	}
	inside()
	if _, err := tx.Exec(ctx, `UPDATE counter SET value = $2 WHERE name = $1`, lock.Name(), value+1); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `INSERT INTO ledger (id, name, value, fence) VALUES ($1, $2, $3, $4)`,
		id, lock.Name(), value+1, int64(lock.Fence()))
	return err
}

func (d pgDatabase) Counters(ctx context.Context) (map[string]int64, error) {
	rows, _ := d.pool.Query(ctx, `SELECT name, value FROM counter`) // the error comes again with the rows
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
	rows, _ := d.pool.Query(ctx, `SELECT id, name, value, fence FROM ledger`)
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Entry])
}

func (d pgDatabase) Owners(ctx context.Context) ([]string, error) {
	rows, _ := d.pool.Query(ctx, `SELECT owner FROM leasehold.lease`)
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (d pgDatabase) Close() error {
	d.pool.Close()
	return nil
}
