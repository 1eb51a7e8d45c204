package side

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/postgres"
	"github.com/leaseholdgo/leasehold/sqlite"
)

// Ours is a client of Leasehold.
type Ours struct {
	*leasehold.Client
	pool *pgxpool.Pool // nil: no PostgreSQL
}

// OpenPostgres opens a client on the database at url, as a user does.
func OpenPostgres(ctx context.Context, url string, cfg leasehold.Config) (*Ours, error) {
	pool, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	return openPool(ctx, pool, cfg)
}

func openPool(ctx context.Context, config *pgxpool.Config, cfg leasehold.Config) (*Ours, error) {
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	o, err := open(ctx, postgres.New(pool, postgres.Config{}), cfg)
	if err != nil {
		pool.Close()
		return nil, err
	}
	o.pool = pool
	return o, nil
}

// OpenSQLite opens a client on a database file.
func OpenSQLite(ctx context.Context, path string) (*Ours, error) {
	return open(ctx, sqlite.Open(path), leasehold.Config{})
}

func open(ctx context.Context, store driver.Store, cfg leasehold.Config) (*Ours, error) {
	client, err := leasehold.Open(ctx, store, cfg)
	if err != nil {
		return nil, err
	}
	return &Ours{Client: client}, nil
}

// Acquire implements Side.
func (o *Ours) Acquire(ctx context.Context, name string) (func(context.Context) error, error) {
	lock, err := o.Client.Acquire(ctx, name)
	if err != nil {
		return nil, err
	}
	return lock.Release, nil
}

// Close implements Side.
func (o *Ours) Close() error {
	err := o.Client.Close()
	if o.pool != nil {
		o.pool.Close()
	}
	return err
}
