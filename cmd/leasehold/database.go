package main

import (
	"context"
	"errors"
	"fmt"
	neturl "net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/mysql"
	"github.com/leaseholdgo/leasehold/postgres"
	"github.com/leaseholdgo/leasehold/sqlite"
)

// databaseVariable names the database where no flag does.
const databaseVariable = "LEASEHOLD_DB"

// database says where the locks are: in a file or at a URL.
type database struct {
	File    string `json:"file,omitempty"` // SQLite
	URL     string `json:"url,omitempty"`  // PostgreSQL, MySQL or MariaDB; may hold a password
	Session bool   `json:"session"`        // a session holds the locks, and no table; only with URL
	looks   bool   // at what sessions hold: it makes no table
}

// isMySQL reports whether it is MySQL or MariaDB.
func (d database) isMySQL() bool {
	return strings.HasPrefix(d.URL, "mysql:") || strings.HasPrefix(d.URL, "mariadb:")
}

// databaseFlags are those of every subcommand.
type databaseFlags struct {
	url, file string
	connect   time.Duration // how long to try first contact
	session   bool          // of subcommands that look at locks of sessions
}

// choose returns the database that flags and environment name, without touching
// it.
func (f databaseFlags) choose() (database, error) {
	d, err := f.named()
	if d.Session, d.looks = f.session, f.session; err == nil && f.session && d.URL == "" {
		return d, misused("--session is for PostgreSQL, MySQL and MariaDB: give --db postgres://... or mysql://...")
	}
	return d, err
}

func (f databaseFlags) named() (database, error) {
	switch {
	case f.connect <= 0:
		return database{}, misused("--connect-timeout %v: use more than 0", f.connect)
	case f.url != "" && f.file != "":
		return database{}, misused("give --db or --db-file, not both")
	case f.file != "":
		return database{File: f.file}, nil
	case f.url != "":
		return parseDatabase(f.url, "--db")
	}
	if url := os.Getenv(databaseVariable); url != "" {
		return parseDatabase(url, "$"+databaseVariable)
	}
	return defaultDatabase()
}

func unusable(format string, args ...any) *failure {
	return &failure{statusConfig, fmt.Sprintf(format, args...)}
}

// parseDatabase reads a URL that came from source. Its errors name the source and
// hold no part of the URL but the scheme: what cannot be parsed may have a
// password anywhere.
func parseDatabase(url, source string) (database, error) {
	scheme, rest, _ := strings.Cut(url, ":")
	switch scheme {
	case "sqlite":
		if host, ok := strings.CutPrefix(rest, "//"); ok && !strings.HasPrefix(host, "/") {
			return database{}, unusable("unusable database URL in %s: sqlite:PATH or sqlite:///ABSOLUTE/PATH has no host", source)
		}
		if rest == "" {
			return database{}, unusable("unusable database URL in %s: sqlite: needs a path", source)
		}
		return database{File: filepath.Clean(rest)}, nil
	case "postgres", "postgresql":
		if _, err := pgxpool.ParseConfig(url); err != nil {
			return database{}, unusable("unusable database URL in %s: not a valid %s URL (characters such as / @ : # %% in user or password must be percent-encoded)", source, scheme)
		}
		return database{URL: url}, nil
	case "mysql", "mariadb":
		if _, err := neturl.Parse(url); err != nil || !strings.HasPrefix(rest, "//") {
			return database{}, unusable("unusable database URL in %s: not a valid %s URL (characters such as / @ : # %% in user or password must be percent-encoded)", source, scheme)
		}
		return database{URL: url}, nil
	default:
		return database{}, unusable("unusable database URL in %s: it must begin with postgres://, postgresql://, mysql://, mariadb:// or sqlite:", source)
	}
}

// defaultDatabase is the user's own SQLite file.
func defaultDatabase() (database, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // the specification says to ignore it then
		home, err := os.UserHomeDir()
		if err != nil {
			return database{}, unusable("no database: give --db or --db-file, or set $%s, $XDG_STATE_HOME or $HOME", databaseVariable)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return database{File: filepath.Join(state, "leasehold", "leasehold.db")}, nil
}

// openStore is a store and what has to be closed after it.
type openStore struct {
	driver.Store
	close   func()
	migrate func(context.Context) error
}

// open makes the store; it does no I/O. No text of the errors of the parser is
// passed on, they quote the URL.
func (d database) open() (*openStore, error) {
	if d.URL == "" {
		store := sqlite.Open(d.File)
		return &openStore{Store: store, close: func() {}, migrate: store.Migrate}, nil
	}
	if d.isMySQL() {
		if d.Session {
			return &openStore{Store: mysql.OpenSession(d.URL, mysql.SessionConfig{NoFence: d.looks}), close: func() {}, migrate: noTables}, nil
		}
		store := mysql.Open(d.URL, mysql.Config{})
		return &openStore{Store: store, close: func() {}, migrate: store.Migrate}, nil
	}
	cfg, err := pgxpool.ParseConfig(d.URL)
	if err != nil {
		return nil, unusable("unusable database URL")
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		return nil, driver.Permanent(errors.New("its settings cannot be used"))
	}
	if d.Session {
		return &openStore{Store: postgres.NewSession(pool, postgres.SessionConfig{NoFence: d.looks}), close: pool.Close, migrate: noTables}, nil
	}
	store := postgres.New(pool, postgres.Config{})
	return &openStore{Store: store, close: pool.Close, migrate: store.Migrate}, nil
}

// openToLook makes the store for a subcommand that looks.
func (d database) openToLook() (*openStore, error) {
	store, err := d.open()
	if err != nil {
		return nil, err
	}
	if held, ok := store.Store.(sessionStore); ok {
		store.Store = sessions{held}
	}
	return store, nil
}

// noTables is the migration of a store that has none to migrate.
func noTables(context.Context) error { return nil }
