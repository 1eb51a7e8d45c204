package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
)

// fenceTableSQL makes the table of fences, one row, updated in place; and that of guards, one
// row for each name that was ever guarded, never changed.
var fenceTableSQL = []string{
	`CREATE TABLE IF NOT EXISTS leasehold_fence (
    one  TINYINT NOT NULL PRIMARY KEY,
    last BIGINT  NOT NULL -- the last fence drawn, of any name
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
	`CREATE TABLE IF NOT EXISTS leasehold_session (
    name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
	`INSERT IGNORE INTO leasehold_fence (one, last) VALUES (1, 0)`,
}

// SessionMigrationSQL returns the SQL that makes the tables of fences and guards for cfg, to
// be run by other means in the database that is to hold them. An error means that cfg is invalid.
func SessionMigrationSQL(cfg SessionConfig) (string, error) {
	if err := cfg.tables().validate(); err != nil {
		return "", err
	}
	return cfg.tables().render(strings.Join(fenceTableSQL, ";\n") + ";\n"), nil
}

// furnish returns the tables of fences and guards, quoted, after making them if need be;
// empty: there are none.
func (c SessionConfig) furnish(ctx context.Context, s *session) (fences, guards string, err error) {
	if c.NoFence {
		return "", "", nil
	}
	var current sql.NullString
	if err := s.run(ctx, statement{"SELECT DATABASE()", row(&current)}); err != nil {
		return "", "", err
	}
	if c.Database == "" {
		if c.Database = current.String; c.Database == "" {
			return "", "", driver.Permanent(errors.New("no database is selected for the tables of fences and guards: name one in the URL, or in SessionConfig.Database, or set NoFence"))
		}
		if err := c.tables().validate(); err != nil {
			return "", "", err
		}
	}
	fences, guards = c.tables().render("leasehold_fence"), c.tables().render("leasehold_session")
	var last int64
	err = s.run(ctx, statement{"SELECT IFNULL(MAX(last), -1) + (SELECT 0 * COUNT(*) FROM " + guards + " WHERE name = '') FROM " + fences, row(&last)})
	if hasCode(err, codeNoTable) && c.ManualSchema {
		return "", "", driver.Permanent(fmt.Errorf("there are no tables %s and %s: run what SessionMigrationSQL returns, or set NoFence", fences, guards))
	}
	if hasCode(err, codeNoTable) || err == nil && last < 0 && !c.ManualSchema {
		err = c.makeFences(ctx, s)
	}
	return fences, guards, err
}

func (c SessionConfig) makeFences(ctx context.Context, s *session) error {
	for _, text := range fenceTableSQL {
		if err := s.run(ctx, plain(c.tables().render(text))...); hasCode(err, noPrivilege...) {
			return driver.Permanent(fmt.Errorf("this user may not make the tables of fences and guards: run what SessionMigrationSQL returns as one that may, or set NoFence: %w", err))
		} else if err != nil {
			return err
		}
	}
	return nil
}
