package distrlock_test

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// oldLock is a client that speaks the protocol of the table as it was before: the
// database's time in the zone of the session.
type oldLock struct {
	p     *place
	db    *sql.DB
	key   string
	token string
}

// old returns an old client with a pool of its own. zone is that of its sessions, or empty.
func (p *place) old(key, zone string) *oldLock {
	p.t.Helper()
	o := &oldLock{p: p, db: p.open(zone), key: key}
	insert := `INSERT INTO distributed_locks (lock_key) VALUES ($1) ON CONFLICT DO NOTHING`
	if isMySQL(p.dialect) {
		insert = `INSERT IGNORE INTO distributed_locks (lock_key) VALUES (?)`
	}
	run(p.t, o.db, insert, key)
	return o
}

var errOld = errors.New("the old client's condition does not hold")

func (o *oldLock) exec(ctx context.Context, text string, args ...any) error {
	result, err := o.db.ExecContext(ctx, text, args...)
	if err != nil {
		return err
	}
	n, err := result.RowsAffected()
	if err == nil && n == 0 {
		return errOld
	}
	return err
}

// The times of the old client for MySQL: units of 100 microseconds.
const (
	oldNow   = `UNIX_TIMESTAMP(NOW(4)) * 10000`
	oldLater = `UNIX_TIMESTAMP(DATE_ADD(NOW(4), INTERVAL ? MICROSECOND)) * 10000`
)

// acquire returns errOld if the lock is held.
func (o *oldLock) acquire(ctx context.Context, ttl time.Duration) error {
	var b [16]byte
	_, _ = rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	token := fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	return o.acquireAs(ctx, token, ttl)
}

func (o *oldLock) acquireAs(ctx context.Context, token string, ttl time.Duration) error {
	var err error
	if isMySQL(o.p.dialect) {
		err = o.exec(ctx, `UPDATE distributed_locks SET token = ?, expire_at = `+oldLater+`
			WHERE lock_key = ? AND (expire_at IS NULL OR expire_at < `+oldNow+` OR token = ?)`,
			token, ttl.Microseconds(), o.key, token)
	} else {
		err = o.exec(ctx, `UPDATE distributed_locks SET token = $1::uuid, expire_at = now() + $2::bigint * interval '1 microsecond'
			WHERE lock_key = $3 AND (expire_at IS NULL OR expire_at < now() OR token = $1::uuid)`,
			token, ttl.Microseconds(), o.key)
	}
	if err == nil {
		o.token = token
	}
	return err
}

func (o *oldLock) extend(ctx context.Context, ttl time.Duration) error {
	if isMySQL(o.p.dialect) {
		return o.exec(ctx, `UPDATE distributed_locks SET expire_at = `+oldLater+`
			WHERE lock_key = ? AND token = ? AND expire_at >= `+oldNow, ttl.Microseconds(), o.key, o.token)
	}
	return o.exec(ctx, `UPDATE distributed_locks SET expire_at = now() + $1::bigint * interval '1 microsecond'
		WHERE lock_key = $2 AND token = $3::uuid AND expire_at >= now()`, ttl.Microseconds(), o.key, o.token)
}

func (o *oldLock) release(ctx context.Context) error {
	if isMySQL(o.p.dialect) {
		return o.exec(ctx, `UPDATE distributed_locks SET expire_at = NULL
			WHERE lock_key = ? AND token = ? AND expire_at >= `+oldNow, o.key, o.token)
	}
	return o.exec(ctx, `UPDATE distributed_locks SET expire_at = NULL
		WHERE lock_key = $1 AND token = $2::uuid AND expire_at >= now()`, o.key, o.token)
}
