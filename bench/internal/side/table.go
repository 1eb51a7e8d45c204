package side

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// Table is the table lock that most people write by hand: insert a row, ask again
// until that works, and delete it. It has no lease: a holder that dies keeps its lock.
type Table struct {
	pool *pgxpool.Pool
}

// poll is how often Table asks again.
const poll = 100 * time.Millisecond

const (
	tableSQL  = `CREATE TABLE IF NOT EXISTS lock (name text PRIMARY KEY, taken_at timestamptz NOT NULL)`
	insertSQL = `INSERT INTO lock (name, taken_at) VALUES ($1, now()) ON CONFLICT DO NOTHING`
	deleteSQL = `DELETE FROM lock WHERE name = $1`
)

// OpenTable opens a pool with as many connections as there are goroutines, at most 32,
// on the database at url, and makes the table.
func OpenTable(ctx context.Context, url string, goroutines int) (*Table, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(min(goroutines, 32))
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := pool.Exec(ctx, tableSQL); err != nil {
		pool.Close()
		return nil, err
	}
	return &Table{pool: pool}, nil
}

// Acquire implements Side.
func (t *Table) Acquire(ctx context.Context, name string) (func(context.Context) error, error) {
	for {
		tag, err := t.pool.Exec(ctx, insertSQL, name)
		if err != nil {
			return nil, err
		}
		if tag.RowsAffected() == 1 {
			return func(ctx context.Context) error { return t.release(ctx, name) }, nil
		}
		select {
		case <-time.After(poll):
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (t *Table) release(ctx context.Context, name string) error {
	tag, err := t.pool.Exec(ctx, deleteSQL, name)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("table: the lock was not held")
	}
	return err
}

// Close implements Side.
func (t *Table) Close() error {
	t.pool.Close()
	return nil
}
