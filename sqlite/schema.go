package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	lib "modernc.org/sqlite/lib"

	"github.com/leaseholdgo/leasehold/driver"
)

// protocol is the version of the rules by which programs share the tables. It is
// raised only when older programs must not touch them any more.
const protocol = 1

// migrations holds the files NNNN_what.sql, where NNNN is the version of the
// schema after it. Another tool may run them; each also stores its version.
//
//go:embed migrations/*.sql
var migrations embed.FS

// MigrationSQL returns the SQL of all migrations, oldest first, as it is run on
// an empty database.
func MigrationSQL() string {
	var all strings.Builder
	_ = eachMigration(0, func(name, text string) error {
		fmt.Fprintf(&all, "-- %s\n\n%s\n", name, text)
		return nil
	})
	return all.String()
}

// eachMigration calls f with the migrations after the version, oldest first.
func eachMigration(after int, f func(name, text string) error) error {
	names, err := fs.Glob(migrations, "migrations/*.sql") // sorted
	if err != nil {
		return err
	}
	for _, name := range names {
		number, _, _ := strings.Cut(path.Base(name), "_")
		version, err := strconv.Atoi(number)
		if err != nil {
			return err
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		if version <= after {
			continue
		}
		if err := f(path.Base(name), string(text)); err != nil {
			return err
		}
	}
	return nil
}

// meta is the row of leasehold_meta.
type meta struct {
	version, protocol int
	maxTTL            time.Duration
}

// migrate brings the file up to date, waiting for others who do, until ctx ends.
func (c *conn) migrate(ctx context.Context) (meta, error) {
	m, err := doWithin(ctx, c, c.writer, 0, func() (meta, error) {
		if err := c.prepare(); err != nil {
			return meta{}, err
		}
		m, err := current(c.writer)
		if err != nil || m.version >= latest() {
			return m, err
		}
		return inTx(c.writer, upgrade)
	})
	if err == nil && m.protocol > protocol {
		err = driver.Permanent(fmt.Errorf("the tables in %s are of protocol %d and this program speaks %d: use a newer program", c.path, m.protocol, protocol))
	}
	return m, err
}

// prepare refuses a file that cannot be written to, and puts one of our own into
// WAL mode, in which readers and the writer do not wait for each other.
func (c *conn) prepare() error {
	if err := c.writer.writable(); err != nil {
		return err
	}
	var mode string
	if err := c.writer.row(`PRAGMA journal_mode`).Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" && c.convert {
		if err := c.writer.row(`PRAGMA journal_mode=WAL`).Scan(&mode); err != nil {
			return err
		}
	}
	if mode != "wal" {
		return driver.Permanent(fmt.Errorf("%s cannot be put into WAL mode (it is %s)", c.path, mode))
	}
	return nil
}

func (l *lane) writable() error {
	if err := l.connect(); err != nil {
		return err
	}
	return l.conn.Raw(func(c any) error {
		readOnly, err := c.(interface{ IsReadOnly(string) (bool, error) }).IsReadOnly("main")
		if err == nil && readOnly {
			err = driver.Permanent(errors.New(hints[lib.SQLITE_READONLY]))
		}
		return err
	})
}

// current returns the meta row; all zero if there is none.
func current(l *lane) (m meta, err error) {
	var exists bool
	err = l.row(`SELECT count(*) FROM sqlite_schema WHERE name = 'leasehold_meta'`).Scan(&exists)
	if err != nil || !exists {
		return m, err
	}
	var ms int64
	err = l.row(`SELECT version, protocol, max_ttl FROM leasehold_meta`).Scan(&m.version, &m.protocol, &ms)
	if errors.Is(err, sql.ErrNoRows) {
		return m, corrupt("table", "leasehold_meta", "no row")
	}
	m.maxTTL = time.Duration(ms) * time.Millisecond
	return m, err
}

// upgrade applies the migrations that are missing. It looks again, because
// another process may have been first.
func upgrade(tx *tx) (meta, error) {
	m, err := current(tx.lane)
	if err != nil || m.protocol > protocol {
		return m, err
	}
	err = eachMigration(m.version, func(_, text string) error {
		_, err := tx.conn.ExecContext(context.Background(), text)
		return err
	})
	if err != nil {
		return m, err
	}
	return current(tx.lane)
}

// latest returns the version of the schema that this program makes.
func latest() (version int) {
	_ = eachMigration(0, func(name, _ string) error {
		version, _ = strconv.Atoi(name[:4])
		return nil
	})
	return version
}
