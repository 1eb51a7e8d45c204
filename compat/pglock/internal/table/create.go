package table

import (
	"context"
	"database/sql"
)

// Statements that make and drop the table and its sequence. RVNs start again at the
// smallest when the largest has been given out.
var (
	createSQL = []string{
		`CREATE TABLE %[1]s (name varchar(255) PRIMARY KEY, record_version_number bigint, data bytea, owner varchar(255))`,
		`CREATE SEQUENCE %[1]s_rvn CYCLE OWNED BY %[1]s.record_version_number`,
	}
	tryCreateSQL = []string{
		`CREATE TABLE IF NOT EXISTS %[1]s (name varchar(255) PRIMARY KEY, record_version_number bigint, data bytea, owner varchar(255))`,
		`CREATE SEQUENCE IF NOT EXISTS %[1]s_rvn CYCLE OWNED BY %[1]s.record_version_number`,
	}
	dropSQL = []string{`DROP TABLE %[1]s`}
)

// lockSQL lets one client at a time make the table: two that do so together may fail,
// whatever IF NOT EXISTS says. The number is arbitrary.
const lockSQL = `SELECT pg_advisory_xact_lock(7309453671)`

// Create makes the table. It fails if there is one.
func (t *Table) Create(ctx context.Context) error { return t.define(ctx, createSQL) }

// TryCreate makes the table, unless there is one.
func (t *Table) TryCreate(ctx context.Context) error { return t.define(ctx, tryCreateSQL) }

// Drop drops the table with its sequence.
func (t *Table) Drop(ctx context.Context) error { return t.define(ctx, dropSQL) }

// define runs the statements in one transaction.
func (t *Table) define(ctx context.Context, statements []string) error {
	tx, err := t.db.BeginTx(ctx, &sql.TxOptions{})
	if err != nil {
		return err
	}
	defer tx.Rollback() // after a commit it does nothing
	for _, statement := range append([]string{lockSQL}, statements...) {
		if _, err := tx.ExecContext(ctx, on(statement, t.cfg.Table)); err != nil {
			return err
		}
	}
	return tx.Commit()
}
