package advisory

import (
	"errors"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keyed"
)

// GuardSQL shares the lock that guards a key, until the transaction ends: its
// parameters are the key's halves.
const GuardSQL = `SELECT true FROM (SELECT pg_catalog.pg_advisory_xact_lock_shared($1::int4, $2::int4)) AS l`

// HoldsSQL yields whether a session has a key now, in the database of the transaction. It
// looks at all locks of one process in one snapshot of the server's, which no isolation
// level dates back. Its parameters: the server process, the key, and the lock that no
// other session has.
const HoldsSQL = `SELECT coalesce(bool_or(l.objsubid = 1 AND (l.classid::int8 << 32) | l.objid::int8 = $2::int8), false)
		AND coalesce(bool_or(l.objsubid = 2 AND (l.classid::int8 << 32) | l.objid::int8 = $3::int8), false)
	FROM pg_catalog.pg_locks AS l
	WHERE l.locktype = 'advisory' AND l.granted AND l.pid = $1::int4
		AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())`

// IdentitySQL takes the lock that no other session has.
const IdentitySQL = `SELECT pg_catalog.pg_try_advisory_lock(($1::int8 >> 32)::int4, (($1::int8 << 32) >> 32)::int4)`

// Proof is what shows, in a transaction, that a lock is held.
type Proof struct {
	High, Low int32 // halves of the key
	PID       int32
	Key       int64
	Identity  int64
}

// ErrForeign: the lock is of another kind of store.
var ErrForeign = errors.New("the lock is not of a postgres store")

// Prove returns the proof for an attempt that holds, and keeps others in the process from
// being granted the lock without a look for guards. driver.ErrNotHeld: it does not hold,
// or was revoked. A guard is made of three steps in this order: GuardSQL, Prove, HoldsSQL.
func Prove(c *keyed.Conn, a driver.Attempt) (Proof, error) {
	key, session, err := c.Prove(a)
	if err != nil {
		return Proof{}, err
	}
	s, ok := session.(*Session)
	if !ok {
		return Proof{}, ErrForeign
	}
	high, low := Halves(numeric(key))
	return Proof{High: high, Low: low, PID: s.pid, Key: numeric(key), Identity: s.identity}, nil
}

// Halves returns the upper and the lower half of a key.
func Halves(key int64) (high, low int32) { return int32(key >> 32), int32(key) }

// HalvesOf returns the halves of the key of a name.
func HalvesOf(c *keyed.Conn, name string) (high, low int32) { return Halves(numeric(c.Key(name))) }
