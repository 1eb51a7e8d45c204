package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSchema: schema.sql is what the migrations make.
func TestSchema(t *testing.T) {
	want, err := os.ReadFile("schema.sql")
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, tempStore(t))
	if got := schema(t, c.path); got != string(want) {
		t.Errorf("the migrations make:\n%s", got)
	}
	// The same by hand, with what is printed.
	path := filepath.Join(t.TempDir(), "by-hand.db")
	db := openUser(t, path)
	if _, err := db.Exec(`PRAGMA journal_mode=WAL;` + MigrationSQL()); err != nil {
		t.Fatal(err)
	}
	if got := schema(t, path); got != string(want) {
		t.Errorf("the printed migrations make:\n%s", got)
	}
	newClient(t, New(db)).hold("a")
}

func schema(t *testing.T, path string) string {
	t.Helper()
	rows, err := openUser(t, path).Query(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all strings.Builder
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			t.Fatal(err)
		}
		all.WriteString(text + ";\n\n")
	}
	return all.String()
}

// TestMigrationsStoreTheirVersion: whoever runs them by other means leaves a
// database that says what it is.
func TestMigrationsStoreTheirVersion(t *testing.T) {
	store := tempStore(t)
	for range 2 { // the second time there is nothing to do
		if err := store.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		m, err := connectTTL(t, store, testTTL).migrate(t.Context())
		if err != nil || m.version != latest() || m.protocol != protocol {
			t.Errorf("after the migrations: %+v, %v; want version %d", m, err, latest())
		}
	}
}
