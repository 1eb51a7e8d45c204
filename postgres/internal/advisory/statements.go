package advisory

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// step is one thing done to a key, or asked about the session.
type step int64

const (
	whoami       step = iota // the server process that answers
	tryExclusive             // 1 if the session has the key now, else 0
	tryShared
	upgrade   // from shared to exclusive
	downgrade // from exclusive to shared; it always can
	unlockExclusive
	unlockShared
)

// keysSQL does steps on keys, in their order, and returns a number for each. It
// waits for nobody. Locks that it took stay taken if it fails half-way.
const keysSQL = `SELECT CASE u.step
	WHEN 0 THEN pg_catalog.pg_backend_pid()
	WHEN 1 THEN pg_catalog.pg_try_advisory_lock(u.key)::int
	WHEN 2 THEN pg_catalog.pg_try_advisory_lock_shared(u.key)::int
	WHEN 3 THEN CASE WHEN pg_catalog.pg_try_advisory_lock(u.key) THEN pg_catalog.pg_advisory_unlock_shared(u.key)::int ELSE 0 END
	WHEN 4 THEN CASE WHEN pg_catalog.pg_try_advisory_lock_shared(u.key) THEN pg_catalog.pg_advisory_unlock(u.key)::int ELSE 0 END
	WHEN 5 THEN pg_catalog.pg_advisory_unlock(u.key)::int
	WHEN 6 THEN pg_catalog.pg_advisory_unlock_shared(u.key)::int
	END FROM unnest($1::int8[], $2::int8[]) AS u(step, key)`

// mineSQL returns the keys that the session has: key and whether it is exclusive.
const mineSQL = `SELECT (l.classid::int8 << 32) | l.objid::int8, l.mode = 'ExclusiveLock'
	FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid = pg_catalog.pg_backend_pid()`

// othersSQL returns who else has some of the keys: key, whether it is exclusive, pid,
// application, host, seconds since the session began.
const othersSQL = `SELECT k.key, l.mode = 'ExclusiveLock', l.pid, coalesce(a.application_name, ''),
		coalesce(pg_catalog.host(a.client_addr), ''),
		coalesce(extract(epoch FROM pg_catalog.clock_timestamp() - a.backend_start), 0)::float8
	FROM pg_catalog.pg_locks AS l
	JOIN pg_catalog.unnest($1::int8[]) AS k(key) ON k.key = (l.classid::int8 << 32) | l.objid::int8
	LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
	WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
	ORDER BY l.pid`

// patienceSQL sets what depends on the longest TTL: the statement timeout, and how long
// the server lets the session live without a statement.
const patienceSQL = `SELECT pg_catalog.set_config(s.name, CASE s.name WHEN 'statement_timeout' THEN $1::int8 ELSE $2::int8 END::text, false)
	FROM pg_catalog.pg_settings AS s WHERE s.name IN ('statement_timeout', 'idle_session_timeout')`

const (
	keysName     = "leasehold_keys"
	mineName     = "leasehold_mine"
	othersName   = "leasehold_others"
	patienceName = "leasehold_patience"
	fenceName    = "leasehold_fence"
)

// Prepare prepares the statements of this package. fenceSQL draws fences: its parameter
// is how many, its result the last of them; empty: there are none.
func Prepare(ctx context.Context, conn *pgconn.PgConn, fenceSQL string) error {
	statements := [][2]string{
		{keysName, keysSQL}, {mineName, mineSQL}, {othersName, othersSQL}, {patienceName, patienceSQL}, {fenceName, fenceSQL},
	}
	for _, s := range statements {
		if s[1] == "" {
			continue
		}
		if _, err := conn.Prepare(ctx, s[0], s[1], nil); err != nil {
			return err
		}
	}
	return nil
}

// keysUnit does the steps, and writes a number for each into results.
func keysUnit(steps []step, keys []int64, results []int32) *unit {
	i := 0
	return &unit{statement: keysName, params: [][]byte{int8Array(steps), int8Array(keys)}, row: func(values [][]byte) {
		if i < len(results) && len(values[0]) == 4 {
			results[i] = int32(binary.BigEndian.Uint32(values[0]))
		}
		i++
	}}
}

// fenceUnit draws n fences, and writes the last into last.
func fenceUnit(n int, last *uint64) *unit {
	return &unit{statement: fenceName, params: [][]byte{int8Value(int64(n))}, row: func(values [][]byte) {
		*last = binary.BigEndian.Uint64(values[0])
	}}
}

// mineUnit looks what keys the session has.
func mineUnit(has map[int64]mode) *unit {
	return &unit{statement: mineName, row: func(values [][]byte) {
		key, m := int64(binary.BigEndian.Uint64(values[0])), shared
		if values[1][0] != 0 {
			m = exclusive
		}
		has[key] = max(has[key], m)
	}}
}

// patienceUnit tells the server how patient to be. Two TTLs without a statement are
// later than any client believes in a lock; a short TTL would end sessions of
// programs that are merely slow.
func patienceUnit(ttl time.Duration) *unit {
	return &unit{
		statement: patienceName,
		params:    [][]byte{int8Value((ttl / 2).Milliseconds()), int8Value(IdleTimeout(ttl).Milliseconds())},
		row:       func([][]byte) {},
	}
}

// IdleTimeout is how long the server lets a session live without a statement.
func IdleTimeout(ttl time.Duration) time.Duration { return max(2*ttl, 10*time.Second) }

// int8Array encodes numbers as the server's binary form of an int8 array.
func int8Array[T ~int64](values []T) []byte {
	const int8OID = 20
	b := make([]byte, 0, 20+12*len(values))
	for _, n := range []uint32{1, 0, int8OID, uint32(len(values)), 1} {
		b = binary.BigEndian.AppendUint32(b, n)
	}
	for _, v := range values {
		b = binary.BigEndian.AppendUint32(b, 8)
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func int8Value(v int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(v)) }

// check returns an error unless the server process that answered is the session's.
func (s *Session) check(answered int32) error {
	if answered == s.pid {
		return nil
	}
	err := fmt.Errorf("%w (process %d instead of %d)", errPooled, answered, s.pid)
	s.fail(err)
	return err
}
