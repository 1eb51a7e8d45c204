package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// TestDamagedRow: a row that breaks an invariant is reported, and is not touched.
func TestDamagedRow(t *testing.T) {
	for damage, what := range map[string]string{
		`queue = x'00'`:        "the queue",
		`holder_ticket = NULL`: "the holder",
		`since = NULL`:         "the holder",
		`fence = -5`:           "the fence",
		`fence = 0`:            "the fence",
		`queue = CAST(holder_lease || holder_ticket AS BLOB)`:    "an attempt occurs twice",
		`holder_lease = NULL, holder_ticket = NULL, mark_at = 5`: "the mark",
	} {
		t.Run(damage, func(t *testing.T) {
			c := newClient(t, tempStore(t))
			hold := c.hold("a")
			db := openUser(t, c.path)
			db.SetMaxOpenConns(1)
			if _, err := db.Exec(`PRAGMA ignore_check_constraints = 1`); err != nil {
				t.Fatal(err)
			}
			if _, err := db.Exec(`UPDATE leasehold_lock SET ` + damage); err != nil {
				t.Fatal(err)
			}
			before := dump(t, c)
			ctx := t.Context()
			_, acquired := c.Acquire(ctx, c.attempt("a"), true)
			_, released := c.Release(ctx, hold.Attempt)
			_, read := c.Read(ctx, driver.Query{Limit: 10})
			for call, err := range map[string]error{
				"Acquire":  acquired,
				"Release":  released,
				"Read":     read,
				"TakeOver": c.TakeOver(ctx, "a", []driver.ID{c.lease}, 0),
				"Revoke":   c.Revoke(ctx, "a", hold.Fence, driver.Mark{}),
			} {
				if err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), `"a" is damaged (`+what) {
					t.Errorf("%s: %v", call, err)
				}
			}
			if after := dump(t, c); after != before {
				t.Errorf("the row was changed:\nbefore %s\nafter  %s", before, after)
			}
			c.hold("b") // the others go on
		})
	}
}

func dump(t *testing.T, c *client) string {
	t.Helper()
	r, err := scan(openUser(t, c.path).QueryRow(`SELECT ` + columns + ` FROM leasehold_lock WHERE name = CAST('a' AS BLOB)`))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%v", r)
}

func TestNotADatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(path, []byte(strings.Repeat("Dear diary, ", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, Open(path), "not an SQLite database")
	if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(text), "Dear diary") {
		t.Errorf("the file was changed: %q, %v", text, err)
	}
}

func TestNewerProtocol(t *testing.T) {
	c := newClient(t, tempStore(t))
	db := openUser(t, c.path)
	if _, err := db.Exec(`UPDATE leasehold_meta SET protocol = 2, version = 9`); err != nil {
		t.Fatal(err)
	}
	refused(t, Open(c.path), "of protocol 2 and this program speaks 1")
	if _, err := db.Exec(`UPDATE leasehold_meta SET protocol = 1`); err != nil {
		t.Fatal(err)
	}
	newClient(t, Open(c.path)) // a newer schema of the same protocol will do
	if _, err := db.Exec(`DELETE FROM leasehold_meta`); err != nil {
		t.Fatal(err)
	}
	refused(t, Open(c.path), "damaged")
	if _, err := db.Exec(`DROP TABLE leasehold_meta`); err != nil {
		t.Fatal(err)
	}
	refused(t, Open(c.path), "the tables are not as this program knows them")
}
