package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// Store is a database file that clients connect to. It is safe for concurrent
// use, holds nothing open, and may serve any number of clients.
type Store struct {
	path string
	db   *sql.DB // the caller's; nil for a path
}

var _ driver.Store = (*Store)(nil)

// Open returns a Store on the database file at path, which is a path and not a
// URI. It does no I/O: the directory (0700), the file (0600) and the tables are
// made when the first client connects.
func Open(path string) *Store { return &Store{path: path} }

// New returns a Store on the file that db has open, for those who want to guard
// their own transactions with [Guard]. It does no I/O.
//
// The file must be in WAL mode, which is permanent once set, and db must use
// the driver modernc.org/sqlite of this program; db may not be in memory.
// Connecting uses one connection of db for a moment, to learn the file's name.
// After that clients use connections of their own and none of db's, so a db
// limited to one connection will do. db is never reconfigured and never closed.
func New(db *sql.DB) *Store { return &Store{db: db} }

// Connect implements driver.Store. It makes what is missing: directories, file,
// tables. It waits while others do the same, until ctx ends.
func (s *Store) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	c, err := s.open(ctx, settings.TTL/10)
	if err != nil {
		return nil, err
	}
	if err := c.begin(ctx, settings.TTL); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// begin does what a client's first access needs.
func (c *conn) begin(ctx context.Context, ttl time.Duration) error {
	meta, err := c.migrate(ctx)
	if err != nil {
		return err
	}
	if ttl > meta.maxTTL {
		return driver.Permanent(&driver.TTLError{TTL: ttl, Cap: meta.maxTTL})
	}
	return c.sweep(ctx)
}

// Migrate makes the file and brings its tables up to date, as the first Connect
// does, and nothing else. Repeating it changes nothing.
func (s *Store) Migrate(ctx context.Context) error {
	c, err := s.open(ctx, 0)
	if err != nil {
		return err
	}
	_, err = c.migrate(ctx)
	return errors.Join(err, c.Close())
}

// open finds or makes the file, and prepares connections to it.
func (s *Store) open(ctx context.Context, patience time.Duration) (*conn, error) {
	path, err := s.locate(ctx)
	if err != nil {
		return nil, err
	}
	leases, err := openLeaseDir(path)
	if err != nil {
		return nil, driver.Permanent(err)
	}
	return newConn(path, leases, patience, s.db == nil)
}

func (s *Store) locate(ctx context.Context) (string, error) {
	if s.db != nil {
		return locateDB(ctx, s.db)
	}
	path, err := prepareFile(s.path)
	return path, driver.Permanent(err)
}
