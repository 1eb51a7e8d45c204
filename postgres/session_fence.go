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
) WITH (fillfactor = 50);
INSERT INTO leasehold.fence (last) VALUES (0) ON CONFLICT DO NOTHING`

// SessionMigrationSQL returns the SQL that makes the table of fences for cfg, to be run by
// other means. An error means that cfg is invalid.
func SessionMigrationSQL(cfg SessionConfig) (string, error) {
	if err := cfg.tables().validate(); err != nil {
		return "", err
	}
	return cfg.tables().render(`CREATE SCHEMA IF NOT EXISTS leasehold;` + "\n" + fenceTableSQL + ";\n"), nil
}

// fences returns the table of fences, quoted, after making it if need be; empty: there is
// none.
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
	return table, err
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
