package sqlite

import (
	"database/sql"
	"testing"
)

// openUser opens the file as a user's program might, with modest settings.
func openUser(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(5000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
