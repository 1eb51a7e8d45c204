package postgres

import (
	"reflect"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/leaseholdgo/leasehold/driver"
)

// What is put into a text arrives as it was, whatever the server takes a backslash for.
func TestLiteralsArriveAsTheyWere(t *testing.T) {
	t.Parallel()
	pool := testPool(t)
	id, at := driver.NewID(), time.Date(2031, 2, 3, 4, 5, 6, 789_012_000, time.FixedZone("", 3600))
	for _, conforming := range []string{"on", "off"} {
		for _, v := range []any{`plain`, `it's`, `back\slash'`, `\'; DROP TABLE x; --`, `$1 $2`, "\u2029\U0010ffff", ``} {
			check(t, pool, conforming, "text", v, v)
		}
		check(t, pool, conforming, "bytea", []byte("\x00\\'\xff"), []byte("\x00\\'\xff"))
		check(t, pool, conforming, "bytea", []byte(nil), []byte(nil))
		check(t, pool, conforming, "uuid", id, [16]byte(id))
		check(t, pool, conforming, "bigint", int64(-1<<63), int64(-1<<63))
		check(t, pool, conforming, "boolean", true, true)
		check(t, pool, conforming, "timestamptz", at, at.UTC())
		check(t, pool, conforming, "text[]", []string{`a"b`, `c\d'`, `NULL`, ``, `{,}`}, []string{`a"b`, `c\d'`, `NULL`, ``, `{,}`})
		check(t, pool, conforming, "uuid[]", [][16]byte{id, {}}, [][16]byte{id, {}})
		check(t, pool, conforming, "boolean[]", []bool{true, false}, []bool{true, false})
	}
	for _, bad := range []string{"a\x00b", "a\xffb", "\xc3"} {
		if got, err := render(`SELECT $1`, []any{bad}); err == nil {
			t.Errorf("%q became %s", bad, got)
		}
	}
}

// check renders a value, has the server read it, and compares.
func check(t *testing.T, pool *pgxpool.Pool, conforming, kind string, in, want any) {
	t.Helper()
	text, err := render(`SELECT $1::`+kind, []any{in})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `SET standard_conforming_strings = `+conforming); err != nil {
		t.Fatal(err)
	}
	got := reflect.New(reflect.TypeOf(want))
	if err := conn.QueryRow(t.Context(), text, pgx.QueryExecModeExec).Scan(got.Interface()); err != nil {
		t.Errorf("%s: %v", text, err)
		return
	}
	value := got.Elem().Interface()
	if at, ok := value.(time.Time); ok {
		value = at.UTC()
	}
	if !reflect.DeepEqual(value, want) {
		t.Errorf("%v became %v", in, value)
	}
}
