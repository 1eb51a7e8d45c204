package database

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/leaseholdgo/leasehold"
)

// counters are the counters and the ledger in a database, reached by database/sql.
type counters struct {
	db    *sql.DB
	guard func(context.Context, *sql.Tx, *leasehold.Lock) error
	dialect
}

// dialect is how a database differs from SQLite.
type dialect struct {
	before   string         // what goes before the name of a table of ours
	leases   string         // the table of leases
	text     string         // the type of texts that can be keys; empty: text
	numbered bool           // parameters are $1, $2, not question marks
	look     *sql.TxOptions // of Look's transactions; nil: as others
}

// in puts a statement into the dialect: @ goes before the names of tables.
func (d dialect) in(statement string) string {
	statement = strings.ReplaceAll(statement, "@", d.before)
	for n := 1; d.numbered && strings.Contains(statement, "?"); n++ {
		statement = strings.Replace(statement, "?", fmt.Sprint("$", n), 1)
	}
	return statement
}

// make makes the counters, all 0, and an empty ledger.
func (c counters) make(ctx context.Context, names []string) error {
	for _, table := range []string{
		`CREATE TABLE @counter (name text PRIMARY KEY, value bigint NOT NULL)`,
		`CREATE TABLE @ledger (id text PRIMARY KEY, name text NOT NULL, value bigint NOT NULL, fence bigint NOT NULL)`,
	} {
		if c.text != "" {
			table = strings.ReplaceAll(table, "text", c.text)
		}
		if _, err := c.db.ExecContext(ctx, c.in(table)); err != nil {
			return err
		}
	}
	for _, name := range names {
		if _, err := c.db.ExecContext(ctx, c.in(`INSERT INTO @counter VALUES (?, 0)`), name); err != nil {
			return err
		}
	}
	return nil
}

func (c counters) Increment(ctx context.Context, lock *leasehold.Lock, id string, inside func()) (Outcome, error) {
	return c.increment(ctx, c.db.BeginTx, lock, id, inside)
}

// begin is BeginTx of an *sql.DB or *sql.Conn.
type begin func(context.Context, *sql.TxOptions) (*sql.Tx, error)

func (c counters) increment(ctx context.Context, begin begin, lock *leasehold.Lock, id string, inside func()) (Outcome, error) {
	tx, err := begin(ctx, nil)
	if err != nil {
		return Aborted, err
	}
	if err := c.write(ctx, tx, lock, id, inside); err != nil {
		_ = tx.Rollback() // a connection that cannot is closed
		return Aborted, err
	}
	if err := tx.Commit(); err != nil {
		return Unknown, err
	}
	return Committed, nil
}

func (c counters) write(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock, id string, inside func()) error {
	if err := c.guard(ctx, tx, lock); err != nil {
		return err
	}
	value, err := c.read(ctx, tx, lock)
	if err != nil {
		return err
	}
	inside()
	if _, err := tx.ExecContext(ctx, c.in(`UPDATE @counter SET value = ? WHERE name = ?`), value+1, lock.Name()); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, c.in(`INSERT INTO @ledger (id, name, value, fence) VALUES (?, ?, ?, ?)`),
		id, lock.Name(), value+1, int64(lock.Fence()))
	return err
}

// read returns the counter of the lock's name.
func (c counters) read(ctx context.Context, tx *sql.Tx, lock *leasehold.Lock) (value int64, err error) {
	err = tx.QueryRowContext(ctx, c.in(`SELECT value FROM @counter WHERE name = ?`), lock.Name()).Scan(&value)
	return value, err
}

// Look shows less on SQLite than elsewhere: a guard keeps all other writers of the file out.
func (c counters) Look(ctx context.Context, lock *leasehold.Lock, between func()) (first, second int64, err error) {
	tx, err := c.db.BeginTx(ctx, c.look)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	if err := c.guard(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	if first, err = c.read(ctx, tx, lock); err != nil {
		return 0, 0, err
	}
	between()
	second, err = c.read(ctx, tx, lock)
	return first, second, err
}

func (c counters) Counters(ctx context.Context) (map[string]int64, error) {
	all := map[string]int64{}
	var name string
	var value int64
	err := c.each(ctx, `SELECT name, value FROM @counter`, []any{&name, &value}, func() { all[name] = value })
	return all, err
}

func (c counters) Ledger(ctx context.Context) (all []Entry, err error) {
	var e Entry
	err = c.each(ctx, `SELECT id, name, value, fence FROM @ledger`,
		[]any{&e.ID, &e.Name, &e.Value, &e.Fence}, func() { all = append(all, e) })
	return all, err
}

func (c counters) Owners(ctx context.Context) (all []string, err error) {
	var owner string
	err = c.each(ctx, `SELECT owner FROM `+c.leases, []any{&owner}, func() { all = append(all, owner) })
	return all, err
}

// each scans every row into the targets and calls f.
func (c counters) each(ctx context.Context, query string, targets []any, f func()) error {
	rows, err := c.db.QueryContext(ctx, c.in(query))
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		f()
	}
	return rows.Err()
}

func (c counters) Close() error { return c.db.Close() }
