package postgres

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// Config says where a Store keeps its tables. The zero Config is ready for use.
type Config struct {
	// Schema that holds the tables. It is made on first use. Lower-case
	// letters, digits and underscores, not beginning with a digit, at most 63
	// bytes. Default "leasehold".
	Schema string

	// Prefix of the tables' names, of the same letters, at most 40 bytes.
	// Default none.
	Prefix string

	// ManualSchema keeps Connect from making or migrating the tables: it
	// reports an error where they are missing. Use it with MigrationSQL or
	// Store.Migrate, run by a role that may.
	ManualSchema bool
}

const (
	defaultSchema = "leasehold"
	maxIdentifier = 63 // NAMEDATALEN - 1; longer ones would be cut off silently
	maxPrefix     = 40 // leaves room for the names of tables, keys and constraints
)

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]*$`)

// validate returns an error, marked permanent, that names the bad field.
func (c Config) validate() error {
	schema := cmp.Or(c.Schema, defaultSchema)
	if !identifier.MatchString(schema) || len(schema) > maxIdentifier {
		return driver.Permanent(fmt.Errorf("schema %q: want lower-case letters, digits and _, at most %d bytes", schema, maxIdentifier))
	}
	if strings.HasPrefix(schema, "pg_") {
		return driver.Permanent(fmt.Errorf("schema %q: names that begin with pg_ are the server's", schema))
	}
	if c.Prefix != "" && (!identifier.MatchString(c.Prefix) || len(c.Prefix) > maxPrefix) {
		return driver.Permanent(fmt.Errorf("prefix %q: want lower-case letters, digits and _, at most %d bytes", c.Prefix, maxPrefix))
	}
	return nil
}

var qualified = regexp.MustCompile(`\bleasehold\b(?:\.([a-z]+)\b)?`)

// render puts the schema and the prefix of c into SQL written with the default
// names. c has been validated; the names are quoted all the same.
func (c Config) render(sql string) string {
	schema := pgx.Identifier{cmp.Or(c.Schema, defaultSchema)}.Sanitize()
	return qualified.ReplaceAllStringFunc(sql, func(name string) string {
		_, table, found := strings.Cut(name, ".")
		if !found {
			return schema
		}
		return schema + "." + pgx.Identifier{c.Prefix + table}.Sanitize()
	})
}
