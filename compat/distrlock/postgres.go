package distrlock

import (
	"strings"
	"time"
)

// ownTokens is how the tokens begin that this package draws.
const ownTokens = "1ea5e401-"

// The parts of the statements for PostgreSQL.
//
// told: the last five digits of the microseconds tell by how much expire_at is ahead of UTC:
// 500 plus the quarters of an hour, then 37. That is not so for a row of
// an old client, nor where the offset is not made of quarters.
//
// over: the lease is over. What is told is exact. Else both readings that an old client may
// mean must be past: in the hour that repeats they differ, and the later one counts.
//
// durable: true, and the commit waits for the disk, whatever the settings. What a crash of the server undoes
// would have two holders.
//
// later: when a lease ends that begins now, in the session's zone, rounded up to 100 ms to make room
// for what is told. It is the later one of the two readings as well.
const (
	toldSQL = `(token::text LIKE '` + ownTokens + `%'
	AND extract(microseconds FROM expire_at)::bigint % 100 = 37
	AND extract(microseconds FROM expire_at)::bigint % 100000 / 100 BETWEEN 400 AND 600)`

	overSQL = `(expire_at IS NULL OR CASE WHEN ` + toldSQL + `
	THEN (expire_at - (extract(microseconds FROM expire_at)::bigint % 100000 / 100 - 500) * interval '15 minutes')
		AT TIME ZONE 'UTC' < clock_timestamp()
	ELSE expire_at::timestamptz < clock_timestamp() AND expire_at < clock_timestamp()::timestamp END)`

	durableSQL = `CASE current_setting('synchronous_commit') WHEN 'off' THEN set_config('synchronous_commit', 'on', true) ELSE '' END IS NOT NULL`

	// The lateral join takes the time after the row is locked: it names the row.
	laterSQL = `CROSS JOIN LATERAL (SELECT clock_timestamp() AS at WHERE own.lock_key IS NOT NULL) AS now
CROSS JOIN LATERAL (SELECT greatest((now.at + $3::bigint * interval '1 microsecond')::timestamp,
	now.at::timestamp + $3::bigint * interval '1 microsecond') AS at) AS exact
CROSS JOIN LATERAL (SELECT date_trunc('second', exact.at)
	+ ceil(extract(microseconds FROM exact.at)::bigint % 1000000 / 100000.0)::int * interval '100 milliseconds' AS at) AS round
CROSS JOIN LATERAL (SELECT extract(epoch FROM exact.at
	- (now.at + $3::bigint * interval '1 microsecond') AT TIME ZONE 'UTC')::bigint AS seconds) AS ahead
CROSS JOIN LATERAL (SELECT round.at
	+ CASE WHEN ahead.seconds % 900 = 0 THEN (500 + ahead.seconds / 900) * 100 + 37 ELSE 0 END * interval '1 microsecond' AS at) AS later`
)

// The condition is looked at before and after the wait for a locked row, and the time is
// taken after it. A row that is taken is not waited for.
const (
	postgresAcquire = `UPDATE {table} AS l SET token = $2::uuid, expire_at = later.at
FROM (SELECT lock_key FROM {table} WHERE lock_key = $1 AND (token = $2::uuid OR ` + overSQL + `) FOR UPDATE) AS own
` + laterSQL + `
WHERE l.lock_key = own.lock_key AND ` + durableSQL

	postgresExtend = `UPDATE {table} AS l SET expire_at = later.at
FROM (SELECT lock_key FROM {table} WHERE lock_key = $1 AND token = $2::uuid AND NOT ` + overSQL + ` FOR UPDATE) AS own
` + laterSQL + `
WHERE l.lock_key = own.lock_key AND ` + durableSQL

	postgresRelease = `UPDATE {table} SET expire_at = NULL WHERE lock_key = $1 AND token = $2::uuid AND NOT ` + overSQL + ` AND ` + durableSQL

	postgresCreate = `CREATE TABLE IF NOT EXISTS {table} (
	lock_key varchar(40) PRIMARY KEY,
	token uuid,
	expire_at timestamp
)`
)

func postgresStatements(table string) *statements {
	in := func(text string) string { return strings.ReplaceAll(text, "{table}", table) }
	return &statements{
		insert: statement{in(`INSERT INTO {table} (lock_key) VALUES ($1) ON CONFLICT (lock_key) DO NOTHING`),
			func(c call) []any { return []any{c.key} }},
		acquire: statement{in(postgresAcquire), func(c call) []any { return []any{c.key, c.token, c.ttl} }},
		extend:  statement{in(postgresExtend), func(c call) []any { return []any{c.key, c.token, c.ttl} }},
		release: statement{in(postgresRelease), func(c call) []any { return []any{c.key, c.token} }},
		exists: statement{in(`SELECT 1 FROM {table} WHERE lock_key = $1`),
			func(c call) []any { return []any{c.key} }},
		create:   in(postgresCreate),
		drop:     in(`DROP TABLE IF EXISTS {table}`),
		unit:     int64(time.Microsecond),
		maxToken: 64,
	}
}
