package postgres

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// Store keeps locks in the tables of one PostgreSQL database. It is safe for
// concurrent use and serves any number of clients. It holds no connection.
type Store struct {
	pool *pgxpool.Config // nil: that of db
	db   *sql.DB
	cfg  Config

	login *login // for connections like those of db; nil without one
}

var _ driver.Store = (*Store)(nil)

// New returns a Store for the database that pool connects to. It copies the
// pool's settings, with its BeforeConnect and AfterConnect hooks, and does not
// use, change or close the pool itself. It does no I/O; a bad cfg is an error of
// Connect, and so of leasehold.Open.
func New(pool *pgxpool.Pool, cfg Config) *Store {
	return &Store{pool: pool.Config(), cfg: cfg}
}

// Connect dials a connection, makes or migrates the tables unless
// Config.ManualSchema says not to, and checks that they are of a protocol this
// program speaks and that the TTL is within their cap. Errors that a repeated
// call cannot cure are marked permanent and say what to do. The Conn dials two
// more connections when it first renews and first listens.
func (s *Store) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	if err := s.cfg.validate(); err != nil {
		return nil, err
	}
	if settings.TTL < minTTL {
		return nil, driver.Permanent(fmt.Errorf("TTL %v is below the minimum of %v", settings.TTL, minTTL))
	}
	from, err := s.source(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(from, s.cfg, settings)
	if err := c.open(ctx); err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	return c, nil
}

// minTTL is the shortest TTL that timeouts below it leave sense in.
const minTTL = 100 * time.Millisecond
