package postgres

import (
	"context"
	"fmt"
	"reflect"
	"strings"
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

// A batch finds each row by its name, however long the list of names in the text is.
func TestLiteralListsAreLookedUp(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	execSQL(t, pool, `INSERT INTO `+schema+`.lock (name, fence) SELECT 'name ' || n, 1 FROM generate_series(1, 500) AS n`)
	execSQL(t, pool, `ANALYZE `+schema+`.lock`)
	names, tickets, yes := make([]string, 300), make([][16]byte, 300), make([]bool, 300)
	for i := range names {
		names[i], tickets[i] = fmt.Sprint("name ", i+1), driver.NewID()
	}
	lease, number := driver.NewID(), int64(1)
	for sql, args := range map[string][]any{
		c.told.batchGrant: {names, tickets, yes, lease, number, "1"},
		c.told.batchPass:  {names, tickets, lease, number, "1"},
	} {
		text, err := render(sql, args)
		if err != nil {
			t.Fatal(err)
		}
		if plan := c.results("EXPLAIN " + text); !strings.Contains(plan, "Index Cond: (name = ") || strings.Contains(plan, "Join Filter") {
			t.Errorf("%s", plan)
		}
	}
}

// results returns the first column of what a text returns on the command connection.
func (c *client) results(text string) string {
	c.t.Helper()
	var lines strings.Builder
	err := c.on(c.t.Context(), c.command, func(ctx context.Context, s *session, _ *statements) error {
		results, err := s.PgConn().Exec(ctx, text).ReadAll()
		for _, r := range results {
			for _, row := range r.Rows {
				lines.Write(row[0])
				lines.WriteByte('\n')
			}
		}
		return err
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return lines.String()
}
