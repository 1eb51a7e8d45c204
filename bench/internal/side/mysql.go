package side

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	driver "github.com/go-sql-driver/mysql"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/mysql"
)

// OpenMySQL opens a client on the database at url.
func OpenMySQL(ctx context.Context, url string) (*Ours, error) {
	return open(ctx, mysql.Open(url, mysql.Config{}), leasehold.Config{})
}

// MySQLFloor is the least that a cycle can cost which commits twice: on each of its
// connections two updates, one after the other, of an existing row found by its name. Each
// is prepared and commits on its own.
type MySQLFloor struct {
	db      *sql.DB
	conns   []*sql.Conn
	updates []*sql.Stmt // one on each
}

// OpenMySQLFloor opens connections to the database at source, each for one goroutine, and
// makes the rows there if they are missing.
func OpenMySQLFloor(ctx context.Context, source string, connections int) (*MySQLFloor, error) {
	u, err := url.Parse(source)
	if err != nil {
		return nil, err
	}
	cfg := driver.NewConfig()
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = u.User.Username(), "tcp", u.Host, u.Path[1:]
	cfg.Passwd, _ = u.User.Password()
	connector, err := driver.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	f := &MySQLFloor{db: sql.OpenDB(connector)}
	if err := f.fill(ctx, connections); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (f *MySQLFloor) fill(ctx context.Context, connections int) error {
	const table = `CREATE TABLE IF NOT EXISTS floor (name VARBINARY(1024) PRIMARY KEY, n BIGINT NOT NULL) ENGINE = InnoDB`
	if _, err := f.db.ExecContext(ctx, table); err != nil {
		return err
	}
	for i := range connections {
		if _, err := f.db.ExecContext(ctx, `INSERT IGNORE INTO floor VALUES (?, 0)`, Name(i)); err != nil {
			return err
		}
		conn, err := f.db.Conn(ctx)
		if err != nil {
			return err
		}
		f.conns = append(f.conns, conn)
		update, err := conn.PrepareContext(ctx, `UPDATE floor SET n = n + 1 WHERE name = ?`)
		if err != nil {
			return err
		}
		f.updates = append(f.updates, update)
	}
	return nil
}

// Cycle makes the two updates on connection i, and calls half between them.
func (f *MySQLFloor) Cycle(ctx context.Context, i int, half func()) error {
	for n := range 2 {
		if n == 1 {
			half()
		}
		done, err := f.updates[i].ExecContext(ctx, Name(i))
		if err != nil {
			return err
		}
		if rows, err := done.RowsAffected(); rows != 1 {
			return fmt.Errorf("%d rows were updated: %w", rows, err)
		}
	}
	return nil
}

// Close closes the connections.
func (f *MySQLFloor) Close() error {
	var errs []error
	for _, conn := range f.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(append(errs, f.db.Close())...)
}
