package postgres

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migration is one file of migrations/, numbered by the first digits of its name.
type migration struct {
	number int
	sql    string
}

// schemaMigration makes the schema and nothing else. It is left out where the
// schema exists.
const schemaMigration = 1

// migrations returns all of them, rendered for cfg, in order.
func migrations(cfg Config) []migration {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		panic("leasehold: " + err.Error()) // the pattern is constant
	}
	var all []migration
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		number, numberErr := strconv.Atoi(strings.TrimPrefix(name, "migrations/")[:4])
		if err != nil || numberErr != nil {
			panic("leasehold: embedded migration unusable: " + name)
		}
		all = append(all, migration{number: number, sql: cfg.render(string(text))})
	}
	return all
}

// MigrationSQL returns the SQL that makes the tables of an empty database, for
// cfg's schema and prefix, to be read or run by other means. An error means that
// cfg is invalid.
func MigrationSQL(cfg Config) (string, error) {
	if err := cfg.validate(); err != nil {
		return "", err
	}
	var text strings.Builder
	for i, m := range migrations(cfg) {
		if i > 0 {
			text.WriteString("\n")
		}
		text.WriteString(m.sql)
	}
	return text.String(), nil
}

// Migrate makes the tables, or brings older ones up to date, also where
// Config.ManualSchema is set. It does so in one transaction under a lock of its
// own: any number of processes may call it at once, and all succeed. The role
// needs CREATE on the schema, or on the database where the schema is missing.
func (s *Store) Migrate(ctx context.Context) error {
	return s.asked(ctx, func(ctx context.Context, conn *session, _ *statements) error {
		return conn.migrate(ctx, s.cfg)
	})
}

// migrate runs, in one transaction, the migrations that the tables lack.
func (s *session) migrate(ctx context.Context, cfg Config) error {
	err := s.transact(ctx, func() error {
		version, schema, err := s.beginMigration(ctx, cfg)
		if err != nil {
			return err
		}
		for _, m := range migrations(cfg) {
			if m.number <= version || m.number == schemaMigration && schema {
				continue
			}
			if err := s.script(ctx, m.sql); err != nil {
				return fmt.Errorf("migration %d: %w", m.number, err)
			}
		}
		return nil
	})
	if hasCode(err, codeNoPrivilege) {
		return driver.Permanent(fmt.Errorf("this role may not make the tables in schema %s; let one that may run `leasehold migrate`: %w", cfg.render("leasehold"), err))
	}
	return err
}

// beginMigration takes the lock that migrations of one schema and prefix share,
// and returns the version of the tables (0: none) and whether the schema exists.
func (s *session) beginMigration(ctx context.Context, cfg Config) (version int, schema bool, err error) {
	const waits = `SET LOCAL lock_timeout = 0; SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 60000`
	if err := s.script(ctx, waits); err != nil {
		return 0, false, err
	}
	table := cfg.render("leasehold.meta")
	if _, err := s.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, "leasehold migrate "+table); err != nil {
		return 0, false, err
	}
	var exists bool
	err = s.QueryRow(ctx, `SELECT to_regnamespace($1) IS NOT NULL, to_regclass($2) IS NOT NULL`, cfg.render("leasehold"), table).
		Scan(&schema, &exists)
	if err != nil || !exists {
		return 0, schema, err
	}
	err = s.QueryRow(ctx, `SELECT version FROM `+table).Scan(&version)
	return version, schema, err
}
