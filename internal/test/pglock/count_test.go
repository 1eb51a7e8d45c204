package pglock_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"strings"
	"sync"
)

// counter counts the statements that pass through a pool.
type counter struct {
	*sql.DB
	mu         sync.Mutex
	statements []string
}

// counting returns a pool on the same schema that counts. Its driver is a stranger, for
// UnsafeNew.
func (db *database) counting() *counter {
	db.t.Helper()
	c := &counter{}
	c.DB = sql.OpenDB(&connector{driver: db.DB.Driver(), dsn: db.url.String(), counter: c})
	c.SetMaxIdleConns(40)
	db.t.Cleanup(func() { c.Close() })
	return c
}

func (c *counter) note(statement string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.statements = append(c.statements, statement)
}

// take returns the statements since the last time, of which a text is part.
func (c *counter) take(part string) (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.statements {
		if strings.Contains(s, part) {
			n++
		}
	}
	c.statements = nil
	return n
}

type connector struct {
	driver  driver.Driver
	dsn     string
	counter *counter
}

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	return &countedConn{conn, c.counter}, nil
}

func (c *connector) Driver() driver.Driver { return stranger{} }

// stranger is a driver that nobody knows.
type stranger struct{}

func (stranger) Open(string) (driver.Conn, error) { return nil, driver.ErrBadConn }

type countedConn struct {
	driver.Conn
	counter *counter
}

func (c *countedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.counter.note(query)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c *countedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.counter.note(query)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c *countedConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.counter.note("BEGIN")
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

// CheckNamedValue leaves the values to the driver, where it wants them.
func (c *countedConn) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}
