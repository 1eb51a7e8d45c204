// Package database is the databases under test: how their clients reach them,
// and guarded counters in them.
//
// A counter is a value per name. An increment reads it, adds one, and writes it
// back blindly, all inside a transaction that guards the lock of the name; so two
// increments that overlap lose one. Each leaves a row in a ledger, with an id of
// its own, which also tells the outcome of a commit whose reply was lost.
package database

import (
	"context"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
)

// Config says how to reach a database. It is passed between processes.
type Config struct {
	Kind string // a key of Kinds
	URL  string // of a server; with a password
	Path string // of SQLite

	Schema  string        // of PostgreSQL, for all tables
	Longest time.Duration // the cap of TTLs that Prepare stores; 0: the default (servers only)
	NoGrace bool          // Prepare turns off the pause in granting after a failover (PostgreSQL only)
}

// Database is one database, as one process has it open. It is safe for concurrent
// use.
type Database interface {
	// Store returns the store under test.
	Store() driver.Store

	// Prepare makes the counters, all 0.
	Prepare(ctx context.Context, names []string) error

	// Increment adds one to the counter of the lock's name, guarded. It calls
	// inside in the middle of the transaction.
	Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (Outcome, error)

	// Look reads the counter of the lock's name twice, in a guarded transaction whose
	// statements each see what was committed before them, where the database has such.
	// It calls between between the two.
	Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error)

	// Counters returns the values.
	Counters(ctx context.Context) (map[string]int64, error)

	// Ledger returns the rows of all increments that were committed.
	Ledger(ctx context.Context) ([]Entry, error)

	// Owners returns the owner of each lease that has a row.
	Owners(ctx context.Context) ([]string, error)

	// Close closes what Open opened.
	Close() error
}

// Entry is one row of the ledger.
type Entry struct {
	ID    string
	Name  string
	Value int64
	Fence uint64
}

// Outcome is how an increment ended.
type Outcome int

const (
	// Aborted: the commit was not sent.
	Aborted Outcome = iota
	// Committed: the database has confirmed the commit.
	Committed
	// Unknown: the commit was sent and failed; the ledger tells.
	Unknown
)

// The kinds of databases.
const (
	SQLite   = "sqlite"
	Postgres = "postgres"
	Session  = "session" // of PostgreSQL, through advisory locks
	MariaDB  = "mariadb"

	MySQLSession = "mysql-session" // of MariaDB, through named locks
)

// OnServer reports whether databases of that kind are in a server.
func OnServer(kind string) bool { return kind != SQLite }

// OnMariaDB reports whether they are in a MariaDB server.
func OnMariaDB(kind string) bool { return kind == MariaDB || kind == MySQLSession }

// BySession reports whether locks of that kind are held by sessions.
func BySession(kind string) bool { return kind == Session || kind == MySQLSession }

// Think is how long the holder of a lock of that kind thinks inside a guarded
// transaction, at the most. The one writer of an SQLite file delays all others.
func Think(kind string) time.Duration {
	if kind == SQLite {
		return 2 * time.Millisecond
	}
	return 15 * time.Millisecond
}

// Open prepares access to a database. It does no I/O that an outage could fail.
func Open(ctx context.Context, cfg Config) (Database, error) {
	switch cfg.Kind {
	case SQLite:
		return openSQLite(cfg.Path)
	case Postgres:
		return openPostgres(ctx, cfg)
	case Session:
		return openSession(ctx, cfg)
	case MariaDB:
		return openMySQL(cfg)
	case MySQLSession:
		db, err := openMySQL(cfg)
		return mySession{db}, err
	default:
		return nil, fmt.Errorf("there is no store %q", cfg.Kind)
	}
}
