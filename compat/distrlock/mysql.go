package distrlock

import (
	"strings"
	"time"
)

// The parts of the statements for MySQL and MariaDB.
//
// now: the start of the statement, without the session's time zone: the seconds are UTC's,
// and fractions are the same in every zone.
//
// over: a row under a token of ours is in that time. What an old client wrote went through its session's
// zone, so in the hour that repeats it is an hour early, and so is that client's clock: the earlier of the two
// counts.
//
// Keys and tokens are compared byte by byte, whatever the table's collation; the first comparison of
// keys is for the index.
const (
	nowSQL = `(UNIX_TIMESTAMP() * 10000 + MICROSECOND(NOW(6)) DIV 100)`

	mysqlOverSQL = `(expire_at IS NULL OR expire_at < IF(token LIKE '` + ownTokens + `%', ` + nowSQL + `,
	LEAST(` + nowSQL + `, UNIX_TIMESTAMP(NOW(6)) * 10000)))`

	keySQL   = `lock_key = ? AND CAST(CONVERT(lock_key USING utf8mb4) AS BINARY) = CAST(? AS BINARY)`
	tokenIs  = `CAST(CONVERT(token USING utf8mb4) AS BINARY) <=> CAST(? AS BINARY)`
	laterSet = `expire_at = IF(expire_at <=> ` + nowSQL + ` + ?, ` + nowSQL + ` + ? + 1, ` + nowSQL + ` + ?)`
)

// A row counts as changed only if it is different after the statement, so the time is always
// made different. The key is inserted by an upsert: a failed plain insert would share
// the row's lock, and two that share it and then acquire wait for each other.
const (
	mysqlInsert  = `INSERT INTO {table} (lock_key) VALUES (?) ON DUPLICATE KEY UPDATE lock_key = lock_key`
	mysqlAcquire = `UPDATE {table} SET ` + laterSet + `, token = ? WHERE ` + keySQL + ` AND (` + tokenIs + ` OR ` + mysqlOverSQL + `)`
	mysqlExtend  = `UPDATE {table} SET ` + laterSet + ` WHERE ` + keySQL + ` AND ` + tokenIs + ` AND NOT ` + mysqlOverSQL
	mysqlRelease = `UPDATE {table} SET expire_at = NULL WHERE ` + keySQL + ` AND ` + tokenIs + ` AND NOT ` + mysqlOverSQL

	// In a transaction a plain read would be of its snapshot.
	mysqlExists = `SELECT 1 FROM {table} WHERE ` + keySQL + ` LOCK IN SHARE MODE`

	mysqlCreate = `CREATE TABLE IF NOT EXISTS {table} (
	lock_key VARCHAR(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY,
	token VARCHAR(36) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
	expire_at BIGINT
) ENGINE = InnoDB`
)

func mysqlStatements(table string) *statements {
	in := func(text string) string { return strings.ReplaceAll(text, "{table}", table) }
	return &statements{
		insert: statement{in(mysqlInsert), func(c call) []any { return []any{c.key} }},
		acquire: statement{in(mysqlAcquire), func(c call) []any {
			return []any{c.ttl, c.ttl, c.ttl, c.token, c.key, c.key, c.token}
		}},
		extend: statement{in(mysqlExtend), func(c call) []any {
			return []any{c.ttl, c.ttl, c.ttl, c.key, c.key, c.token}
		}},
		release: statement{in(mysqlRelease), func(c call) []any { return []any{c.key, c.key, c.token} }},
		exists: statement{in(mysqlExists),
			func(c call) []any { return []any{c.key, c.key} }},
		create:   in(mysqlCreate),
		drop:     in(`DROP TABLE IF EXISTS {table}`),
		unit:     int64(100 * time.Microsecond),
		keyBytes: true,
		maxToken: 36,
	}
}
