package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// fenceTableSQL makes the table of fences: one row, updated in place.
const fenceTableSQL = `CREATE TABLE IF NOT EXISTS leasehold.fence (
	alone boolean PRIMARY KEY DEFAULT true CHECK (alone), -- so there is one row
	last bigint NOT NULL -- the last fence drawn, of any name
) WITH (fillfactor = 10);
INSERT INTO leasehold.fence (last) VALUES (0) ON CONFLICT DO NOTHING`

// drawSQL draws $1 fences, and returns the last: the first is larger than all that were
// drawn before, and at least the clock in microseconds. The clock is read with the row
// lock, or a little earlier.
//
// A crash may undo draws that were not yet durable. The clock goes on meanwhile, so
// those after it are larger still, unless the row is ahead of the clock: then the
// commit waits until it is durable.
const drawSQL = `UPDATE leasehold.fence AS f SET last = greatest(f.last + 1, c.now) + $1::int8 - 1
	FROM (SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::int8 AS now) AS c
	RETURNING f.last, CASE WHEN f.last > c.now + $1::int8 + 50000
		THEN pg_catalog.set_config('synchronous_commit', 'on', true) END`

// SessionMigrationSQL returns the SQL that makes the table of fences for cfg, to be run by
// other means. An error means that cfg is invalid.
func SessionMigrationSQL(cfg SessionConfig) (string, error) {
	if err := cfg.tables().validate(); err != nil {
		return "", err
	}
	return cfg.tables().render(`CREATE SCHEMA IF NOT EXISTS leasehold;` + "\n" + fenceTableSQL + ";\n"), nil
}

// fences returns the statement that draws fences, after making the table if need be; empty:
// there are none.
func (c SessionConfig) fences(ctx context.Context, conn *pgx.Conn) (string, error) {
	if c.NoFence {
		return "", nil
	}
	table := c.tables().render("leasehold.fence")
	var exists, schema bool
	err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL, to_regnamespace($2) IS NOT NULL`,
		table, c.tables().render("leasehold")).Scan(&exists, &schema)
	if err == nil && !exists {
		err = c.makeFences(ctx, conn, table, schema)
	}
	return c.tables().render(drawSQL), err
}

func (c SessionConfig) makeFences(ctx context.Context, conn *pgx.Conn, table string, schema bool) error {
	if c.ManualSchema {
		return driver.Permanent(fmt.Errorf("there is no table %s: run what SessionMigrationSQL returns, or set NoFence", table))
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "leasehold migrate "+table); err != nil {
			return err
		}
		sql := fenceTableSQL
		if !schema {
			sql = "CREATE SCHEMA IF NOT EXISTS leasehold;\n" + sql
		}
		_, err := tx.Conn().PgConn().Exec(ctx, c.tables().render(sql)).ReadAll()
		return err
	})
	if hasCode(err, codeNoPrivilege) {
		return driver.Permanent(fmt.Errorf("this role may not make the table %s: run what SessionMigrationSQL returns as one that may, or set NoFence: %w", table, err))
	}
	return err
}
