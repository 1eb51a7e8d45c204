package database

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	driversql "github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/mysql"
)

// myDatabase is a database of MySQL or MariaDB.
type myDatabase struct {
	counters
	cfg Config
}

func openMySQL(c Config) (myDatabase, error) {
	u, err := url.Parse(c.URL)
	if err != nil {
		return myDatabase{}, errors.New("the database's URL cannot be parsed")
	}
	cfg := driversql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, strings.TrimPrefix(u.Path, "/")
	cfg.Passwd, _ = u.User.Password()
	cfg.Timeout, cfg.Logger = 2*time.Second, &driversql.NopLogger{}
	connector, err := driversql.NewConnector(cfg)
	if err != nil {
		return myDatabase{}, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(6)
	return myDatabase{counters{db, mysql.Guard, dialect{
		leases: "leasehold_lease",
		text:   "VARBINARY(255)",
		look:   &sql.TxOptions{Isolation: sql.LevelReadCommitted},
	}}, c}, nil
}

func (d myDatabase) store() *mysql.Store { return mysql.Open(d.cfg.URL, mysql.Config{}) }

func (d myDatabase) Store() driver.Store { return d.store() }

// Close closes the database. The driver says that a connection was broken, as faults do, and
// not in a way that could be told from other errors.
func (d myDatabase) Close() error {
	_ = d.db.Close()
	return nil
}

func (d myDatabase) Prepare(ctx context.Context, names []string) error {
	if err := d.store().Migrate(ctx); err != nil {
		return err
	}
	if d.cfg.Longest != 0 {
		if err := d.store().SetMaxTTL(ctx, d.cfg.Longest); err != nil {
			return err
		}
	}
	return d.make(ctx, names)
}

// mySession is a database of MySQL or MariaDB whose locks are held by sessions.
type mySession struct{ myDatabase }

func (d mySession) Store() driver.Store { return mysql.OpenSession(d.cfg.URL, mysql.SessionConfig{}) }

// Owners returns nobody: there is no row of any lease.
func (d mySession) Owners(context.Context) ([]string, error) { return nil, nil }
