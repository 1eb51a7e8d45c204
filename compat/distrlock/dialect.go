package distrlock

import "fmt"

// Dialect says which database a table is in. Functions take any string type, so a
// constant of another package's type does as well.
type Dialect string

const (
	DialectPostgres Dialect = "postgres" // PostgreSQL through lib/pq
	DialectPgx      Dialect = "pgx"      // PostgreSQL through pgx
	DialectMySQL    Dialect = "mysql"    // MySQL and MariaDB through go-sql-driver
)

// statement is one text and the order of its arguments.
type statement struct {
	text string
	args func(c call) []any
}

// call is what a statement may need to know.
type call struct {
	key   string
	token string
	ttl   int64 // in units of the dialect
	drawn bool  // the token was drawn for one acquisition: nobody else has it
}

// statements are what a dialect says to one table. Each returns the number of rows changed: 1, or 0
// if its condition did not hold.
type statements struct {
	insert  statement
	acquire statement
	extend  statement
	release statement
	exists  statement // a query: one row if the key has a row

	create, drop string

	unit     int64 // nanoseconds
	keyBytes bool  // keys that differ may be one to the table
	maxToken int   // bytes
}

func newStatements[D ~string](dialect D, table string) (*statements, error) {
	switch Dialect(dialect) {
	case DialectPostgres, DialectPgx:
		return postgresStatements(table), nil
	case DialectMySQL:
		return mysqlStatements(table), nil
	}
	return nil, fmt.Errorf("distrlock: unknown dialect %q: there are %q, %q and %q",
		string(dialect), DialectPostgres, DialectPgx, DialectMySQL)
}
