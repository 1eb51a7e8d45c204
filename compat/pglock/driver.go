package pglock

import (
	"database/sql"
	"reflect"
	"strings"
)

// isPostgreSQL reports whether the pool's driver is lib/pq, or that of pgx. Neither is
// imported, so they are known by the path of their package.
func isPostgreSQL(db *sql.DB) bool {
	t := reflect.TypeOf(db.Driver())
	for t != nil && t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == nil {
		return false
	}
	path := t.PkgPath()
	if i := strings.LastIndex(path, "/vendor/"); i >= 0 {
		path = path[i+len("/vendor/"):]
	}
	return path == "github.com/lib/pq" ||
		strings.HasPrefix(path, "github.com/jackc/pgx/") && strings.HasSuffix(path, "/stdlib")
}
