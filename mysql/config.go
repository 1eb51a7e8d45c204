package mysql

import (
	"cmp"
	"fmt"
	"regexp"

	"github.com/leaseholdgo/leasehold/driver"
)

// Config says where a Store keeps its tables. The zero Config is ready for use.
type Config struct {
	// Database that holds the tables. It must exist. Letters, digits, underscores and
	// hyphens, at most 64 bytes. Default: the one that the connections begin in.
	Database string

	// Prefix of the tables' names: lower-case letters, digits and underscores, not
	// beginning with a digit, at most 40 bytes. Default "leasehold_".
	Prefix string

	// ManualSchema keeps Connect from making or migrating the tables: it reports an
	// error where they are missing. Use it with MigrationSQL or Store.Migrate, run by a
	// user who may.
	ManualSchema bool

	// SingleWriter says that all clients of these tables, and all transactions that are
	// guarded by their locks, use one node of a cluster at a time: without it Connect
	// refuses a node of a Galera cluster, or of a replication group with several
	// primaries. Row locks do not reach other nodes.
	SingleWriter bool
}

const (
	defaultPrefix = "leasehold_"
	maxPrefix     = 40
)

var (
	databaseName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)
	prefixName   = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)
)

// validate returns an error, marked permanent, that names the bad field.
func (c Config) validate() error {
	if c.Database != "" && !databaseName.MatchString(c.Database) {
		return driver.Permanent(fmt.Errorf("database %q: want letters, digits, _ and -, at most 64 bytes", c.Database))
	}
	if c.Prefix != "" && (!prefixName.MatchString(c.Prefix) || len(c.Prefix) > maxPrefix) {
		return driver.Permanent(fmt.Errorf("prefix %q: want lower-case letters, digits and _, at most %d bytes", c.Prefix, maxPrefix))
	}
	return nil
}

var tableName = regexp.MustCompile(`\bleasehold_([a-z]+)\b`)

// render puts the database, if it is known, and the prefix into SQL written with the
// default names. c has been validated; the names are quoted all the same.
func (c Config) render(sql string) string {
	database := ""
	if c.Database != "" {
		database = "`" + c.Database + "`."
	}
	return tableName.ReplaceAllString(sql, database+"`"+cmp.Or(c.Prefix, defaultPrefix)+"$1`")
}
