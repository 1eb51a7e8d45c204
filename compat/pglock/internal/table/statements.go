package table

import (
	"strconv"
	"strings"
)

// statements are those on one table.
type statements struct{ take, beat, free, keep, look, draw, get, all string }

// durableSQL is true, and makes the statement's commit wait for the disk, whatever the
// settings. A grant that a crash of the server undoes would have two holders. So would a
// lock whose renewal it undoes: others count from the one before. And a release would
// leave a lock that nobody holds.
const durableSQL = `CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL`

// takeSQL makes the row ours if it is free or bears one of the RVNs given, and tells what
// it found otherwise. It locks and writes nothing where somebody else holds the row.
const takeSQL = `WITH taken AS (
	INSERT INTO %[1]s AS l (name, record_version_number, data, owner)
	SELECT $1::text, $2::int8, $3::bytea, $4::text
	WHERE NOT EXISTS (SELECT 1 FROM %[1]s AS h WHERE h.name = $1::text
		AND h.record_version_number IS NOT NULL AND h.record_version_number <> ALL ($6::int8[]))
	AND ` + durableSQL + `
	ON CONFLICT (name) DO UPDATE SET record_version_number = $2::int8, owner = $4::text,
		data = CASE WHEN $5::bool THEN excluded.data ELSE l.data END
	WHERE l.record_version_number IS NULL OR l.record_version_number = ANY ($6::int8[])
	RETURNING l.data)
SELECT true, $2::int8, $4::text, t.data, nextval('%[1]s_rvn') FROM taken AS t
UNION ALL
SELECT false, h.record_version_number, h.owner, NULL, NULL FROM %[1]s AS h
	WHERE h.name = $1::text AND NOT EXISTS (SELECT 1 FROM taken)`

// beatSQL gives the rows that bear the RVNs expected of them a new one, and returns their
// names, and a stamp for the next time. Rows are locked in one order, and those that
// somebody else has locked are passed over.
const beatSQL = `WITH mine AS (
	SELECT l.name FROM %[1]s AS l
	JOIN unnest($2::text[], $3::text[]) AS u(name, rvns) ON l.name = u.name AND l.record_version_number = ANY (u.rvns::int8[])
	WHERE ` + durableSQL + `
	ORDER BY l.name FOR NO KEY UPDATE OF l SKIP LOCKED),
beat AS (
	UPDATE %[1]s AS l SET record_version_number = $1::int8 FROM mine WHERE l.name = mine.name
	RETURNING l.name)
SELECT b.name, NULL::int8 FROM beat AS b
UNION ALL
SELECT NULL, nextval('%[1]s_rvn')`

// freeSQL deletes the rows that bear the RVNs expected of them.
//
// It may have to wait for a renewal of the row, and then looks at it again, but beside the
// same u as before. So one u has all RVNs that are expected of a row.
const freeSQL = `DELETE FROM %[1]s AS l USING unnest($1::text[], $2::text[]) AS u(name, rvns)
	WHERE l.name = u.name AND l.record_version_number = ANY (u.rvns::int8[]) AND ` + durableSQL

// keepSQL frees those rows and keeps them, with their data.
const keepSQL = `UPDATE %[1]s AS l SET record_version_number = NULL FROM unnest($1::text[], $2::text[]) AS u(name, rvns)
	WHERE l.name = u.name AND l.record_version_number = ANY (u.rvns::int8[]) AND ` + durableSQL

// lookSQL reads rows and locks none.
const lookSQL = `SELECT l.name, l.record_version_number, l.owner, l.xmin::text::int8 FROM %[1]s AS l WHERE l.name = ANY ($1::text[])`

// allSQL and getSQL read rows for the user.
const (
	allSQL = `SELECT l.name, l.owner, l.data, l.record_version_number FROM %[1]s AS l ORDER BY l.name`
	getSQL = `SELECT l.name, l.owner, l.data, l.record_version_number FROM %[1]s AS l WHERE l.name = $1::text`
)

// drawSQL draws stamps.
const drawSQL = `SELECT nextval('%[1]s_rvn') FROM generate_series(1, $1::int)`

func statementsOn(table string) statements {
	return statements{
		take: on(takeSQL, table), beat: on(beatSQL, table), free: on(freeSQL, table), keep: on(keepSQL, table),
		look: on(lookSQL, table), draw: on(drawSQL, table), get: on(getSQL, table), all: on(allSQL, table),
	}
}

// on returns the statement on a table, whose name was validated.
func on(statement, table string) string { return strings.ReplaceAll(statement, "%[1]s", table) }

// pairs are names and the RVNs expected of their rows, each an array.
type pairs struct{ names, rvns []string }

func (p *pairs) add(name string, rvns ...int64) {
	p.names, p.rvns = append(p.names, name), append(p.rvns, numbers(rvns))
}

// texts writes an array of text as the server reads it, whatever the driver.
func texts(values []string) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteByte('"')
		b.WriteString(quoted.Replace(v))
		b.WriteByte('"')
	}
	b.WriteByte('}')
	return b.String()
}

var quoted = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// numbers writes an array of int8 in the same way.
func numbers(values []int64) string {
	digits := make([]string, len(values))
	for i, v := range values {
		digits[i] = strconv.FormatInt(v, 10)
	}
	return "{" + strings.Join(digits, ",") + "}"
}
