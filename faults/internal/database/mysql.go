package database

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"strings"
	"time"

	driversql "github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/mysql"
)

// myDatabase is a database of MySQL or MariaDB.
type myDatabase struct {
	cfg Config
	db  *sql.DB
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
	return myDatabase{c, db}, nil
}

func (d myDatabase) store() *mysql.Store { return mysql.Open(d.cfg.URL, mysql.Config{}) }

func (d myDatabase) Store() driver.Store { return d.store() }

func (d myDatabase) Prepare(ctx context.Context, names []string) error {
	if err := d.store().Migrate(ctx); err != nil {
		return err
	}
	if d.cfg.Longest != 0 {
		if err := d.store().SetMaxTTL(ctx, d.cfg.Longest); err != nil {
			return err
		}
	}
	for _, text := range []string{
		`CREATE TABLE counter (name VARBINARY(255) PRIMARY KEY, value BIGINT NOT NULL) ENGINE = InnoDB`,
		`CREATE TABLE ledger (id VARBINARY(255) PRIMARY KEY, name VARBINARY(255) NOT NULL, value BIGINT NOT NULL, fence BIGINT NOT NULL) ENGINE = InnoDB`,
	} {
		if _, err := d.db.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, err := d.db.ExecContext(ctx, `INSERT INTO counter VALUES (?, 0)`, name); err != nil {
			return err
		}
	}
	return nil
}

func (d myDatabase) Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (Outcome, error) {
	tx, err := d.db.BeginTx(ctx, nil)
	if err != nil {
		return Aborted, err
	}
	if err := d.write(ctx, tx, lock, id, inside); err != nil {
		_ = tx.Rollback() // a connection that cannot is closed
		return Aborted, err
	}
	if err := tx.Commit(); err != nil {
		return Unknown, err
	}
	return Committed, nil
}

func (d myDatabase) write(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock, id string, inside func()) error {
	if err := mysql.Guard(ctx, tx, lock); err != nil {
		return err
	}
	var value int64
	if err := tx.QueryRowContext(ctx, `SELECT value FROM counter WHERE name = ?`, lock.Name()).Scan(&value); err != nil {
		return err
	}
	inside()
	if _, err := tx.ExecContext(ctx, `UPDATE counter SET value = ? WHERE name = ?`, value+1, lock.Name()); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO ledger (id, name, value, fence) VALUES (?, ?, ?, ?)`, id, lock.Name(), value+1, int64(lock.Fence()))
	return err
}

func (d myDatabase) Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error) {
	tx, err := d.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := mysql.Guard(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	const read = `SELECT value FROM counter WHERE name = ?`
	if err := tx.QueryRowContext(ctx, read, lock.Name()).Scan(&first); err != nil {
		return 0, 0, err
	}
	between()
	err = tx.QueryRowContext(ctx, read, lock.Name()).Scan(&second)
	return first, second, err
}

func (d myDatabase) Counters(ctx context.Context) (map[string]int64, error) {
	counters := map[string]int64{}
	return counters, d.each(ctx, `SELECT name, value FROM counter`, func(rows *sql.Rows) error {
		var name string
		var value int64
		err := rows.Scan(&name, &value)
		counters[name] = value
		return err
	})
}

func (d myDatabase) Ledger(ctx context.Context) (all []Entry, err error) {
	err = d.each(ctx, `SELECT id, name, value, fence FROM ledger`, func(rows *sql.Rows) error {
		var e Entry
		err := rows.Scan(&e.ID, &e.Name, &e.Value, &e.Fence)
		all = append(all, e)
		return err
	})
	return all, err
}

func (d myDatabase) Owners(ctx context.Context) (all []string, err error) {
	err = d.each(ctx, `SELECT owner FROM leasehold_lease`, func(rows *sql.Rows) error {
		var owner string
		err := rows.Scan(&owner)
		all = append(all, owner)
		return err
	})
	return all, err
}

func (d myDatabase) each(ctx context.Context, text string, row func(*sql.Rows) error) error {
	rows, err := d.db.QueryContext(ctx, text)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (d myDatabase) Close() error { return d.db.Close() }

// mySession is a database of MySQL or MariaDB whose locks are held by sessions.
type mySession struct{ myDatabase }

func (d mySession) Store() driver.Store { return mysql.OpenSession(d.cfg.URL, mysql.SessionConfig{}) }

// Owners returns nobody: there is no row of any lease.
func (d mySession) Owners(context.Context) ([]string, error) { return nil, nil }
