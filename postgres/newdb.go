package postgres

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/leaseholdgo/leasehold/driver"
)

// NewDB returns a Store for the database that db connects to, with pgx's driver of
// database/sql or with github.com/lib/pq. It does no I/O, changes nothing of db, and does
// not close it; a bad cfg is an error of Connect, and so of leasehold.Open.
//
// With pgx's driver it is New: each client takes one connection of db for a moment, to copy
// its settings, and dials at most three of its own. Each dial asks db once more for the
// password, in case that changes. The hooks that the driver has options for do not run on
// them, but for what they have changed in the settings.
//
// With lib/pq, and any driver that sends a text of several statements as it is, each client
// keeps up to three connections of db for itself; a db that may open fewer than four is
// refused. A connection that broke is replaced when db has one to give: leave it room. Set
// connect_timeout: lib/pq does not stop a login that hangs before that. A
// call is one transaction in one round trip, and locks are handed over by polling, as
// through a pooler; see the package documentation. That a wait for a synchronous standby
// was cancelled (a warning of the server's) is not seen.
func NewDB(db *sql.DB, cfg Config) *Store { return &Store{db: db, login: &login{db: db}, cfg: cfg} }

// source is where connections come from: one of the two.
type source struct {
	pool *pgxpool.Config
	db   *sql.DB
}

// minPool is the smallest pool that leaves the caller a connection.
const minPool = 4

// source finds out which.
func (s *Store) source(ctx context.Context) (source, error) {
	if s.db == nil {
		return source{pool: s.pool}, nil
	}
	cfg, err := settingsOf(ctx, s.db, nil)
	switch {
	case err != nil:
		return source{}, classify(fmt.Errorf("cannot connect: %w", err))
	case cfg != nil:
		return source{pool: &pgxpool.Config{ConnConfig: cfg, BeforeConnect: s.login.before, AfterConnect: s.login.after}}, nil
	}
	if most := s.db.Stats().MaxOpenConnections; most > 0 && most < minPool {
		return source{}, driver.Permanent(fmt.Errorf("the pool may open %d connections: a client needs up to 3 of them for itself, so allow at least %d", most, minPool))
	}
	return source{db: s.db}, nil
}

// settingsOf returns those of a connection of pgx's, or nil for other drivers. If they are
// stale, the connection is taken out of the pool, which will make a new one.
func settingsOf(ctx context.Context, db *sql.DB, stale func(*pgx.ConnConfig) bool) (cfg *pgx.ConnConfig, err error) {
	type taken struct {
		conn *sql.Conn
		err  error
	}
	done := make(chan taken, 1)
	go func() { // a driver may hang
		conn, err := db.Conn(ctx)
		done <- taken{conn, err}
	}()
	var got taken
	select {
	case got = <-done:
	case <-ctx.Done():
		go func() {
			if got := <-done; got.err == nil {
				_ = got.conn.Close()
			}
		}()
		return nil, ctxError(ctx)
	}
	if got.err != nil {
		return nil, got.err
	}
	defer got.conn.Close()
	err = got.conn.Raw(func(c any) error {
		if own, ok := unwrapped(c).(*stdlib.Conn); ok {
			cfg = own.Conn().Config()
		}
		if cfg != nil && stale != nil && stale(cfg) {
			return sqldriver.ErrBadConn
		}
		return nil
	})
	if errors.Is(err, sqldriver.ErrBadConn) && cfg != nil {
		err = nil
	}
	return cfg, err
}

// unwrapped returns the connection below those that only watch it.
func unwrapped(c any) any {
	for {
		outer, ok := c.(interface{ Raw() sqldriver.Conn })
		if !ok {
			return c
		}
		c = outer.Raw()
	}
}

// login keeps the password of copied settings up to date.
type login struct {
	db    *sql.DB
	mu    sync.Mutex // guards the field below
	tried string     // the password of a dial that has not succeeded (yet)
}

// before brings the password of a copy of the settings up to date. If db has no connection
// to give soon, the one that is known has to do.
func (l *login) before(ctx context.Context, cfg *pgx.ConnConfig) error {
	ctx, cancel := context.WithTimeout(ctx, politeness)
	defer cancel()
	l.mu.Lock()
	tried := l.tried
	l.mu.Unlock()
	newest, err := settingsOf(ctx, l.db, func(c *pgx.ConnConfig) bool { return tried != "" && c.Password == tried })
	if err == nil && newest != nil {
		cfg.Password = newest.Password
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = cfg.Password
	return nil
}

func (l *login) after(context.Context, *pgx.Conn) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tried = ""
	return nil
}
