package mysql

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

//go:embed migrations/*.sql
var migrationFiles embed.FS

const (
	// version is the number of the last migration this program knows.
	version = 1
	// protocol is what this program speaks: how it reads and writes the rows.
	protocol = 1
)

// migration is one file of migrations/, numbered by the first digits of its name.
type migration struct {
	number int
	text   string
}

// migrations returns all of them, in order.
func migrations() []migration {
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
		all = append(all, migration{number, string(text)})
	}
	return all
}

// MigrationSQL returns the SQL that makes the tables of an empty database, for cfg, to be
// read or run by other means. An error means that cfg is invalid.
func MigrationSQL(cfg Config) (string, error) {
	if err := cfg.validate(); err != nil {
		return "", err
	}
	var text strings.Builder
	for _, m := range migrations() {
		text.WriteString(cfg.render(m.text))
	}
	return text.String(), nil
}

// statements splits the text of a migration: each statement ends with a semicolon at the
// end of a line.
func (m migration) statements() (all []string) {
	var one strings.Builder
	for line := range strings.Lines(m.text) {
		if strings.HasPrefix(line, "--") || strings.TrimSpace(line) == "" {
			continue
		}
		one.WriteString(line)
		if text := strings.TrimSpace(one.String()); strings.HasSuffix(text, ";") {
			all = append(all, strings.TrimSuffix(text, ";"))
			one.Reset()
		}
	}
	return all
}

// open checks that the tables can be used, after making them if it may. Of a pool of the
// caller's it takes all connections now: later the caller may use up the others.
func (c *conn) open(ctx context.Context) error {
	if !c.own {
		for _, l := range []*link{c.keepalive, c.listen} {
			if err := c.on(ctx, l, func(context.Context, *session) error { return nil }); err != nil {
				return err
			}
		}
	}
	return c.on(ctx, c.command, func(ctx context.Context, s *session) error {
		if err := c.inhabit(ctx, s); err != nil {
			return err
		}
		m, err := c.readMeta(ctx, s)
		if (hasCode(err, codeNoTable) || err == nil && m.version < version) && !c.cfg.ManualSchema {
			if err := c.migrate(ctx, s); err != nil {
				return err
			}
			m, err = c.readMeta(ctx, s)
		}
		if err == nil {
			err = m.check(c.ttl.Milliseconds())
		}
		if err != nil {
			return c.explain(err)
		}
		if !m.same {
			_, err = c.recordEpoch(ctx, s)
		}
		return err
	})
}

// inhabit finds out which database the tables are in, so that they are found from any
// other too, and refuses one that row locks do not cover.
func (c *conn) inhabit(ctx context.Context, s *session) error {
	var current sql.NullString
	if err := s.run(ctx, statement{"SELECT DATABASE()", row(&current)}); err != nil {
		return err
	}
	if c.cfg.Database == "" {
		if c.cfg.Database = current.String; c.cfg.Database == "" {
			return driver.Permanent(errors.New("no database is selected: name one in the URL, or in Config.Database"))
		}
		if err := c.cfg.validate(); err != nil {
			return err
		}
		c.t = newTables(c.cfg)
	}
	nodes, err := s.writers(ctx)
	if err == nil && nodes != "" && !c.cfg.SingleWriter {
		err = driver.Permanent(fmt.Errorf("%s: its row locks do not reach other nodes; if all clients and guarded transactions use one node at a time, say so with Config.SingleWriter", nodes))
	}
	return err
}

// writers says which cluster with several writing nodes the server belongs to, or nothing.
func (s *session) writers(ctx context.Context) (string, error) {
	var on, provider sql.NullString
	read := func(rows *sql.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		switch name {
		case "wsrep_on":
			on = sql.NullString{String: value, Valid: true}
		case "wsrep_provider":
			provider = sql.NullString{String: value, Valid: true}
		case "group_replication_single_primary_mode":
			if value == "OFF" {
				on, provider = sql.NullString{String: "ON"}, sql.NullString{String: "group"}
			}
		}
		return err
	}
	err := s.run(ctx, statement{
		`SHOW GLOBAL VARIABLES WHERE Variable_name IN ('wsrep_on', 'wsrep_provider', 'group_replication_single_primary_mode')`, read,
	})
	switch {
	case err != nil || on.String != "ON" || provider.String == "none" || provider.String == "":
		return "", err
	case provider.String == "group":
		return "the server belongs to a replication group with several primaries", nil
	default:
		return "the server is a node of a Galera cluster", nil
	}
}

// check returns a permanent error if this program must not use the tables. ttl in ms.
func (m *meta) check(ttl int64) error {
	switch {
	case m.version == 0:
		return driver.Permanent(errors.New("the table of metadata has no row: run the migrations again"))
	case m.oldest > protocol:
		return driver.Permanent(fmt.Errorf("the tables need protocol %d or newer and this program speaks %d: update the program", m.oldest, protocol))
	case m.version < version:
		return driver.Permanent(fmt.Errorf("the tables are of version %d and this program needs %d: run `leasehold migrate`", m.version, version))
	case ttl > m.maxTTL:
		return driver.Permanent(&driver.TTLError{TTL: msec(ttl), Cap: m.longest()})
	}
	return nil
}

// explain adds what to do to an error of the first look at the tables.
func (c *conn) explain(err error) error {
	switch {
	case hasCode(err, codeNoTable):
		return driver.Permanent(fmt.Errorf("there are no tables in database %s; run `leasehold migrate`: %w", c.cfg.Database, err))
	case hasCode(err, noPrivilege...):
		return driver.Permanent(fmt.Errorf("this user needs SELECT, INSERT, UPDATE, DELETE on the tables in database %s: %w", c.cfg.Database, err))
	}
	return err
}

// migrate makes what the tables lack. The server commits each statement that makes a table
// on its own; a lock of the server's keeps others from it meanwhile, and each statement may
// be repeated.
func (c *conn) migrate(ctx context.Context, s *session) error {
	mutex := "leasehold_migrate_" + short(c.t.meta)
	var got sql.NullInt64
	for got.Int64 != 1 {
		if err := s.run(ctx, statement{"SELECT GET_LOCK('" + mutex + "', 0)", row(&got)}); err != nil {
			return err
		}
		if got.Int64 != 1 && !backoff.Sleep(ctx, hotTick) {
			return ctxError(ctx)
		}
	}
	err := c.upgrade(ctx, s)
	if unlock := s.run(ctx, statement{"SELECT RELEASE_LOCK('" + mutex + "')", row(&got)}); err == nil {
		err = unlock
	}
	if hasCode(err, noPrivilege...) {
		return driver.Permanent(fmt.Errorf("this user may not make the tables in database %s; let one that may run `leasehold migrate`: %w", c.cfg.Database, err))
	}
	return err
}

func (c *conn) upgrade(ctx context.Context, s *session) error {
	m, err := c.readMeta(ctx, s)
	if err != nil && !hasCode(err, codeNoTable) {
		return err
	}
	for _, migration := range migrations() {
		if migration.number <= m.version {
			continue
		}
		for _, text := range migration.statements() {
			if err := s.run(ctx, plain(c.cfg.render(text))...); err != nil {
				return fmt.Errorf("migration %d: %w", migration.number, err)
			}
		}
	}
	return nil
}
