package torture

import (
	"context"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/postgres"
)

// pgDatabase is the guarded counters and the locks in a schema, through a pool of
// one client.
type pgDatabase struct {
	pool   *pgxpool.Pool
	schema string
	cfg    postgres.Config
}

var _ database.Database = pgDatabase{}

// in puts the schema into a statement.
func (d pgDatabase) in(sql string) string { return strings.ReplaceAll(sql, "@", d.schema) }

func (d pgDatabase) Store() driver.Store { return postgres.New(d.pool, d.cfg) }

func (d pgDatabase) Prepare(ctx context.Context, names []string) error {
	for _, sql := range []string{
		`CREATE TABLE @.counter (name text PRIMARY KEY, value bigint NOT NULL)`,
		`CREATE TABLE @.ledger (id text PRIMARY KEY, name text NOT NULL, value bigint NOT NULL, fence bigint NOT NULL)`,
	} {
		if _, err := d.pool.Exec(ctx, d.in(sql)); err != nil {
			return err
		}
	}
	_, err := d.pool.Exec(ctx, d.in(`INSERT INTO @.counter SELECT name, 0 FROM unnest($1::text[]) AS name`), names)
	return err
}

func (d pgDatabase) Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (database.Outcome, error) {
	// Whatever the defaults of the database are: the ledger must keep what was
	// acknowledged, and statements must see what was committed before them.
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return database.Aborted, err
	}
	if err := d.write(ctx, tx, lock, id, inside); err != nil {
		_ = tx.Rollback(context.WithoutCancel(ctx)) // a connection that cannot is closed
		return database.Aborted, err
	}
	if err := tx.Commit(ctx); err != nil {
		return database.Unknown, err
	}
	return database.Committed, nil
}

func (d pgDatabase) write(ctx context.Context, tx pgx.Tx, lock *leasehold.Lock, id string, inside func()) error {
	if err := postgres.Guard(ctx, tx, lock); err != nil {
		return err
	}
	var value int64
	if err := tx.QueryRow(ctx, d.in(`SELECT value FROM @.counter WHERE name = $1`), lock.Name()).Scan(&value); err != nil {
		return err
	}
	inside()
	if _, err := tx.Exec(ctx, d.in(`UPDATE @.counter SET value = $2 WHERE name = $1`), lock.Name(), value+1); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, d.in(`INSERT INTO @.ledger (id, name, value, fence) VALUES ($1, $2, $3, $4)`),
		id, lock.Name(), value+1, int64(lock.Fence()))
	return err
}

func (d pgDatabase) Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error) {
	tx, err := d.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Commit(ctx) }() // nothing was written
	if err := postgres.Guard(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	read := d.in(`SELECT value FROM @.counter WHERE name = $1`)
	if err := tx.QueryRow(ctx, read, lock.Name()).Scan(&first); err != nil {
		return 0, 0, err
	}
	between()
	err = tx.QueryRow(ctx, read, lock.Name()).Scan(&second)
	return first, second, err
}

func (d pgDatabase) Counters(ctx context.Context) (map[string]int64, error) {
	rows, _ := d.pool.Query(ctx, d.in(`SELECT name, value FROM @.counter`)) // the error comes again with the rows
	counters := map[string]int64{}
	var name string
	var value int64
	_, err := pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		counters[name] = value
		return nil
	})
	return counters, err
}

func (d pgDatabase) Ledger(ctx context.Context) ([]database.Entry, error) {
	rows, _ := d.pool.Query(ctx, d.in(`SELECT id, name, value, fence FROM @.ledger`))
	return pgx.CollectRows(rows, pgx.RowToStructByPos[database.Entry])
}

func (d pgDatabase) Owners(ctx context.Context) ([]string, error) {
	rows, _ := d.pool.Query(ctx, d.in(`SELECT owner FROM @.lease`))
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

func (d pgDatabase) Close() error {
	d.pool.Close()
	return nil
}
