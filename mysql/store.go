package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
)

// Store keeps locks in the tables of one MySQL or MariaDB database. It is safe for
// concurrent use and serves any number of clients. It holds no connection.
type Store struct {
	settings *mysql.Config // of our own connections; nil where the caller's are used
	db       *sql.DB       // the caller's
	cfg      Config
	bad      error // of Open
}

var _ driver.Store = (*Store)(nil)

// Open returns a Store for the database at source: a URL such as
// mysql://user:password@host:3306/database, with the driver's parameters as its query (and
// "socket", the path of a Unix socket), or a data source name of the driver's. Clients dial
// at most three connections each. It does no I/O; a bad source or cfg is an error of
// Connect, and so of leasehold.Open.
func Open(source string, cfg Config) *Store {
	settings, err := parseSource(source)
	if err != nil {
		return &Store{bad: driver.Permanent(err), cfg: cfg}
	}
	return &Store{settings: settings, cfg: cfg}
}

// New returns a Store for the database that db connects to with the driver
// github.com/go-sql-driver/mysql. Each client keeps up to three connections of db for
// itself, changes their settings, and closes them when it is closed; nothing of db itself
// is changed, and db is not closed. A db that may open fewer than four is refused. A
// connection that broke is replaced when db has one to give: leave it room, or use Open.
// With the parameter multiStatements=true the statements of one call are one round trip;
// without, each is one.
func New(db *sql.DB, cfg Config) *Store { return &Store{db: db, cfg: cfg} }

const (
	// minTTL is the shortest TTL that timeouts below it leave sense in.
	minTTL = 100 * time.Millisecond
	// minPool is the smallest pool that leaves the caller a connection.
	minPool = 4
)

// Connect implements driver.Store. It makes or migrates the tables unless
// Config.ManualSchema says not to, and checks that they are of a protocol this program
// speaks and that the TTL is within their cap. Errors that a repeated call cannot cure are
// marked permanent and say what to do.
func (s *Store) Connect(ctx context.Context, settings driver.Settings) (driver.Conn, error) {
	if settings.TTL < minTTL {
		return nil, driver.Permanent(fmt.Errorf("TTL %v is below the minimum of %v", settings.TTL, minTTL))
	}
	c, err := s.newConn(settings)
	if err != nil {
		return nil, err
	}
	if err := c.open(ctx); err != nil {
		_ = c.Close() // the first error says more
		return nil, err
	}
	return c, nil
}

// newConn returns a Conn that has no connection yet.
func (s *Store) newConn(settings driver.Settings) (*conn, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	db, own, err := s.pool()
	if err != nil {
		return nil, err
	}
	return newConn(db, own, s.cfg, settings), nil
}

// check returns an error, marked permanent, if the Store cannot be used.
func (s *Store) check() error {
	if err := errors.Join(s.bad, s.cfg.validate()); err != nil {
		return driver.Permanent(err)
	}
	if s.db == nil {
		return nil
	}
	if most := s.db.Stats().MaxOpenConnections; most > 0 && most < minPool {
		return driver.Permanent(fmt.Errorf("the pool may open %d connections: a client needs up to 3 of them for itself, so allow at least %d", most, minPool))
	}
	return nil
}

// pool returns where connections come from, and whether it is ours: then it is to be
// closed.
func (s *Store) pool() (db *sql.DB, own bool, err error) {
	if s.db != nil {
		return s.db, false, nil
	}
	cfg := s.settings.Clone()
	prepare(cfg)
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, false, driver.Permanent(errors.New("the database's URL is not usable"))
	}
	db = sql.OpenDB(connector)
	db.SetMaxIdleConns(0)
	return db, true, nil
}
