package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/leaseholdgo/leasehold/driver"
)

// fenceTableSQL makes the table of fences: one row, updated in place.
var fenceTableSQL = []string{
	`CREATE TABLE IF NOT EXISTS leasehold_fence (
    one  TINYINT NOT NULL PRIMARY KEY,
    last BIGINT  NOT NULL -- the last fence drawn, of any name
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC`,
	`INSERT IGNORE INTO leasehold_fence (one, last) VALUES (1, 0)`,
}

// SessionMigrationSQL returns the SQL that makes the table of fences for cfg, to be run by
// other means in the database that is to hold it. An error means that cfg is invalid.
func SessionMigrationSQL(cfg SessionConfig) (string, error) {
	if err := cfg.tables().validate(); err != nil {
		return "", err
	}
	return cfg.tables().render(fenceTableSQL[0] + ";\n" + fenceTableSQL[1] + ";\n"), nil
}

// fences returns the table of fences, quoted, after making it if need be; empty: there is
// none.
func (c SessionConfig) fences(ctx context.Context, s *session) (string, error) {
	if c.NoFence {
		return "", nil
	}
	var current sql.NullString
	if err := s.run(ctx, statement{"SELECT DATABASE()", row(&current)}); err != nil {
		return "", err
	}
	if c.Database == "" {
		if c.Database = current.String; c.Database == "" {
			return "", driver.Permanent(errors.New("no database is selected for the table of fences: name one in the URL, or in SessionConfig.Database, or set NoFence"))
		}
		if err := c.tables().validate(); err != nil {
			return "", err
		}
	}
	table := c.tables().render("leasehold_fence")
	var last int64
	err := s.run(ctx, statement{"SELECT IFNULL(MAX(last), -1) FROM " + table, row(&last)})
	if hasCode(err, codeNoTable) && c.ManualSchema {
		return "", driver.Permanent(fmt.Errorf("there is no table %s: run what SessionMigrationSQL returns, or set NoFence", table))
	}
	if hasCode(err, codeNoTable) || err == nil && last < 0 && !c.ManualSchema {
		err = c.makeFences(ctx, s)
	}
	return table, err
}

func (c SessionConfig) makeFences(ctx context.Context, s *session) error {
	for _, text := range fenceTableSQL {
		if err := s.run(ctx, plain(c.tables().render(text))...); hasCode(err, noPrivilege...) {
			return driver.Permanent(fmt.Errorf("this user may not make the table of fences: run what SessionMigrationSQL returns as one that may, or set NoFence: %w", err))
		} else if err != nil {
			return err
		}
	}
	return nil
}
