package advisory

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// whoami asks which server process answers. It is a step beside those of package keyed, by
// whose numbers the statements know them.
const whoami keyed.Step = 0

// A guard of a key is a second advisory lock, of the pair of numbers that are the key's
// halves, which the guarded transaction shares. Whoever takes a key then makes sure that
// nobody has that lock. So either the guard comes first, and the key is let go of again; or
// the key was taken first, and the guard sees that.
const (
	halves  = `(u.key >> 32)::int4, ((u.key << 32) >> 32)::int4`
	freeSQL = `CASE WHEN pg_catalog.pg_try_advisory_lock(` + halves + `) THEN pg_catalog.pg_advisory_unlock(` + halves + `) ELSE false END`
)

// Who waits for a key shares a third lock, of another pair of numbers, as long as it does.
// So who has the key, or is about to take it again, can see whether others wait.
const (
	turned = `((u.key << 32) >> 32)::int4 # 1431655765, (u.key >> 32)::int4 # 858993459`
	alone  = `CASE WHEN pg_catalog.pg_try_advisory_lock(` + turned + `) THEN pg_catalog.pg_advisory_unlock(` + turned + `) ELSE false END`
)

// stepsSQL does steps on keys, in their order, and yields a number for each. It waits for
// nobody. Locks that it took stay taken if the statement fails.
const stepsSQL = `SELECT pg_catalog.array_agg(CASE u.step
	%s END) AS done FROM unnest($1::int8[], $2::int8[]) AS u(step, key)`

// plainCases are the steps that are done most. The server sets up all cases of a
// statement whenever it runs, so a statement with few is cheaper.
const plainCases = `WHEN 0 THEN pg_catalog.pg_backend_pid()
	WHEN 1 THEN CASE WHEN NOT pg_catalog.pg_try_advisory_lock(u.key) THEN 0
		WHEN ` + freeSQL + ` THEN 1
		WHEN pg_catalog.pg_advisory_unlock(u.key) THEN 0 END
	WHEN 5 THEN pg_catalog.pg_advisory_unlock(u.key)::int`

// otherCases are the others. Those who share a key look more than once for a guard: what
// they see may be another one who looks.
const otherCases = `
	WHEN 2 THEN CASE WHEN NOT pg_catalog.pg_try_advisory_lock_shared(u.key) THEN 0
		WHEN ` + freeSQL + ` THEN 1 WHEN ` + freeSQL + ` THEN 1 WHEN ` + freeSQL + ` THEN 1
		WHEN pg_catalog.pg_advisory_unlock_shared(u.key) THEN 0 END
	WHEN 3 THEN CASE WHEN NOT pg_catalog.pg_try_advisory_lock(u.key) THEN 0
		WHEN ` + freeSQL + ` THEN pg_catalog.pg_advisory_unlock_shared(u.key)::int
		WHEN pg_catalog.pg_advisory_unlock(u.key) THEN 0 END
	WHEN 4 THEN CASE WHEN pg_catalog.pg_try_advisory_lock_shared(u.key) THEN pg_catalog.pg_advisory_unlock(u.key)::int ELSE 0 END
	WHEN 6 THEN pg_catalog.pg_advisory_unlock_shared(u.key)::int
	WHEN 7 THEN (` + freeSQL + `)::int
	WHEN 8 THEN pg_catalog.pg_try_advisory_lock_shared(` + turned + `)::int
	WHEN 9 THEN pg_catalog.pg_advisory_unlock_shared(` + turned + `)::int
	WHEN 10 THEN (NOT ` + alone + `)::int`

// plain reports whether the step is among the plain cases.
func plain(s keyed.Step) bool {
	return s == whoami || s == keyed.TryExclusive || s == keyed.UnlockExclusive
}

// drawSQL does the same, and then draws $3 fences: the first is larger than all that were
// drawn before, and than the clock in microseconds. It is an update of one row, whose new
// version is computed from the one that is current when the row is locked: by then the
// steps are done, since they are what the row is joined with.
//
// A crash may undo draws that were not yet durable. The clock goes on meanwhile, so
// those after it are larger still, unless the row is ahead of the clock: then the
// commit waits until it is durable.
const drawSQL = `UPDATE %s AS f
	SET last = greatest(f.last + 1, (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000000)::int8) + $3::int8 - 1
	FROM (%s) AS s
	RETURNING s.done, f.last, CASE WHEN f.last - $3::int8 > (pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()) * 1000000)::int8 + 50000
		THEN pg_catalog.set_config('synchronous_commit', 'on', true) END`

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
	stepsName    = "leasehold_steps"
	drawName     = "leasehold_draw"
	plainSuffix  = "_plain"
	mineName     = "leasehold_mine"
	othersName   = "leasehold_others"
	patienceName = "leasehold_patience"
)

// Prepare prepares the statements of this package. fences is the table of fences, quoted;
// empty: there is none.
func Prepare(ctx context.Context, conn *pgconn.PgConn, fences string) error {
	statements := map[string]string{mineName: mineSQL, othersName: othersSQL, patienceName: patienceSQL}
	for suffix, cases := range map[string]string{"": plainCases + otherCases, plainSuffix: plainCases} {
		steps := fmt.Sprintf(stepsSQL, cases)
		statements[stepsName+suffix] = steps
		if fences != "" {
			statements[drawName+suffix] = fmt.Sprintf(drawSQL, fences, steps)
		}
	}
	for name, sql := range statements {
		if _, err := conn.Prepare(ctx, name, sql, nil); err != nil {
			return err
		}
	}
	return nil
}

// reply is what the server says of steps.
type reply struct {
	done []int32 // a number for each
	last uint64  // the last of the fences drawn
}

// stepsUnit does the steps and draws fences, if that is not 0.
func stepsUnit(steps []keyed.Step, keys []int64, fences int, into *reply) *unit {
	u := &unit{statement: stepsName, params: [][]byte{int8Array(steps), int8Array(keys)}}
	if fences > 0 {
		u.statement, u.params = drawName, append(u.params, int8Value(int64(fences)))
	}
	if !slices.ContainsFunc(steps, func(s keyed.Step) bool { return !plain(s) }) {
		u.statement += plainSuffix
	}
	u.row = func(values [][]byte) {
		into.done = readInt4Array(values[0], into.done)
		if fences > 0 {
			into.last = binary.BigEndian.Uint64(values[1])
		}
	}
	return u
}

// readInt4Array decodes the server's binary form of an int4 array without nulls.
func readInt4Array(b []byte, into []int32) []int32 {
	const header = 20
	for b = b[min(header, len(b)):]; len(b) >= 8; b = b[8:] {
		into = append(into, int32(binary.BigEndian.Uint32(b[4:])))
	}
	return into
}

// mineUnit looks what keys the session has, and which it has in both modes.
func mineUnit(has map[int64]keyed.Mode, both map[int64]bool) *unit {
	return &unit{statement: mineName, row: func(values [][]byte) {
		key, m := int64(binary.BigEndian.Uint64(values[0])), keyed.Shared
		if values[1][0] != 0 {
			m = keyed.Exclusive
		}
		if has[key] != keyed.None {
			both[key] = true
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

// check returns an error unless the server process that answered is the session's: the
// first step was to ask.
func (s *Session) check(r *reply) error {
	if len(r.done) > 0 && r.done[0] == s.pid {
		return nil
	}
	err := fmt.Errorf("%w (%v instead of %d)", errPooled, r.done, s.pid)
	s.Fail(err)
	return err
}
