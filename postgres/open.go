package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

const (
	// version is the number of the last migration this program knows.
	version = 2
	// protocol is what this program speaks: how it reads and writes the rows.
	protocol = 1
	// migrateTTL stands in for a client's TTL where there is no client.
	migrateTTL = 15 * time.Second
)

// open checks that the tables can be used, after making them if it may.
func (c *conn) open(ctx context.Context) error {
	return c.on(ctx, c.command, func(ctx context.Context, s *session, sql *statements) error {
		m, err := s.readMeta(ctx, sql)
		missing := hasCode(err, codeUndefinedTable, codeInvalidSchema)
		if (missing || err == nil && m.version < version) && !c.cfg.ManualSchema {
			if err := s.migrate(ctx, c.cfg); err != nil {
				return err
			}
			m, err = s.readMeta(ctx, sql)
		}
		if err == nil {
			err = m.check(c.ttl)
		}
		if err != nil {
			return c.cfg.explain(err)
		}
		if !m.same {
			_, err = s.recordEpoch(ctx, sql)
		}
		return err
	})
}

// check returns a permanent error if this program must not use the tables.
func (m meta) check(ttl time.Duration) error {
	switch {
	case m.oldest > protocol:
		return driver.Permanent(fmt.Errorf("the tables need protocol %d or newer and this program speaks %d: update the program", m.oldest, protocol))
	case m.version < version:
		return driver.Permanent(fmt.Errorf("the tables are of version %d and this program needs %d: run `leasehold migrate`", m.version, version))
	case ttl > m.longest():
		return driver.Permanent(&driver.TTLError{TTL: ttl, Cap: m.longest()})
	}
	return nil
}

// explain adds what to do to an error of the first look at the tables.
func (c Config) explain(err error) error {
	schema := c.render("leasehold")
	switch {
	case hasCode(err, codeUndefinedTable, codeInvalidSchema):
		return driver.Permanent(fmt.Errorf("there are no tables in schema %s; run `leasehold migrate`: %w", schema, err))
	case hasCode(err, codeNoPrivilege):
		return driver.Permanent(fmt.Errorf("this role needs USAGE on schema %s and SELECT, INSERT, UPDATE, DELETE on its tables: %w", schema, err))
	case errors.Is(err, pgx.ErrNoRows):
		return driver.Permanent(fmt.Errorf("the tables in schema %s lack their first rows; run the migrations again from empty: %w", schema, err))
	}
	return err
}
