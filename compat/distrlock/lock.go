package distrlock

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/reply"
)

// DBLock is the lock of one key, made by NewLock: a value, whose copies are independent. It is not safe
// for concurrent use.
type DBLock struct {
	Key string
	// TTL is how long the lock is held from the last Acquire or Extend. Acquire sets it, Extend uses it.
	TTL time.Duration

	token string
	do    *statements
}

// Token returns the token of the last Acquire that succeeded; before the first one it is empty.
func (l *DBLock) Token() string { return l.token }

// Acquire takes the lock for ttl, if it is free, under a new random token. It never
// waits for a holder. In a transaction that another one has in progress on the same row it
// waits for the end of that one, and what it takes others see when the transaction commits.
//
// ErrLockAlreadyAcquired: somebody else holds it. ErrNoRow: NewLock was not called, or the row was deleted.
// Any other error: it is not held, and on a *sql.DB nothing is left of the attempt, or soon not. l is unchanged
// then. One statement, and another one on failure.
func (l *DBLock) Acquire(ctx context.Context, executor SQLExecutor, ttl time.Duration) error {
	_, err := l.acquire(ctx, executor, newToken(), true, ttl)
	return err
}

// AcquireWithStaticToken is Acquire under a token of the caller's, on PostgreSQL a UUID, on MySQL 1 to 36 bytes. Whoever has
// the token holds the lock already: acquiring again succeeds, and sets the lease's end anew. So an attempt that
// failed, but for those two errors, is not undone, which might end the hold of somebody else who has the token: it may have taken
// the lock for ttl, or may yet.
func (l *DBLock) AcquireWithStaticToken(ctx context.Context, executor SQLExecutor, token string, ttl time.Duration) error {
	_, err := l.acquire(ctx, executor, token, false, ttl)
	return err
}

// acquire returns an instant before the statement was sent that the lease counts from. drawn: nobody else has the token.
func (l *DBLock) acquire(ctx context.Context, executor SQLExecutor, token string, drawn bool, ttl time.Duration) (sent time.Time, err error) {
	c, err := l.call(token, ttl)
	if err != nil {
		return sent, err
	}
	c.drawn = drawn
	for again := range 2 {
		sent = clock.Now()
		n, err := l.take(ctx, executor, c, ttl, again > 0)
		switch {
		case err != nil:
			return sent, fmt.Errorf("distrlock: acquiring %q: %w", l.Key, err)
		case n == 0:
			return sent, l.refusal(ctx, executor, c)
		}
		if clock.Since(sent) < ttl/2 {
			break // else much of the trust, if not of the lease, went by while others had the row locked: anew
		}
	}
	l.token, l.TTL = token, ttl
	return sent, nil
}

// call checks what a statement is about to be told.
func (l *DBLock) call(token string, ttl time.Duration) (call, error) {
	switch {
	case l.do == nil:
		return call{}, fmt.Errorf("distrlock: a DBLock is made by NewLock")
	case ttl <= 0:
		return call{}, fmt.Errorf("distrlock: the TTL %v is not positive", ttl)
	case token == "" || len(token) > l.do.maxToken:
		return call{}, fmt.Errorf("distrlock: the token has %d bytes, not 1 to %d", len(token), l.do.maxToken)
	}
	units := int64(ttl) / l.do.unit
	if int64(ttl)%l.do.unit != 0 {
		units++
	}
	return call{key: l.Key, token: token, ttl: units}, nil
}

// take runs the statement that acquires; held tells that it may be held already. On a *sql.DB, and with a token that nobody
// else has, the end of ctx does not cancel it: that might leave it waiting for the row on the server, to take the lock for nobody
// later. So its reply is waited for, and what it took is given back.
func (l *DBLock) take(ctx context.Context, executor SQLExecutor, c call, ttl time.Duration, held bool) (int64, error) {
	db, ok := executor.(*sql.DB)
	if !ok || !c.drawn {
		return exec(ctx, executor, l.do.acquire, c)
	}
	if err := ctx.Err(); err != nil && !held {
		return 0, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	n, err := reply.Await(ctx, func() (int64, error) {
		defer cancel()
		return send(run, db, l.do.acquire, c)
	}, func(n int64, err error) {
		if n > 0 || err != nil {
			clearAway(db, l.do, c, ttl)
		}
	})
	switch {
	case err == nil:
	case errors.Is(err, reply.ErrNone):
		time.AfterFunc(ttl, cancel) // a reply by then, or none
	case held || !reply.Refused(err):
		go clearAway(db, l.do, c, ttl)
	}
	return n, err
}

// refusal returns why nothing was acquired.
func (l *DBLock) refusal(ctx context.Context, executor SQLExecutor, c call) error {
	with, ok := executor.(queryer)
	if !ok {
		return ErrLockAlreadyAcquired
	}
	n, err := count(ctx, executor, with, l.do.exists, c)
	switch {
	case err != nil:
		return fmt.Errorf("distrlock: looking for the row of %q: %w", l.Key, err)
	case n > 0:
		return ErrLockAlreadyAcquired
	case l.do.keyBytes:
		return fmt.Errorf("%w (or the collation of the table takes %q for another key)", ErrNoRow, l.Key)
	}
	return fmt.Errorf("%w: %q", ErrNoRow, l.Key)
}

// Extend makes the lock held for TTL from now. ErrLockAlreadyReleased: it is not held, and may be
// another's. Any other error: it may have been extended or not. One statement.
func (l *DBLock) Extend(ctx context.Context, executor SQLExecutor) error {
	if l.token == "" {
		return ErrLockAlreadyReleased
	}
	c, err := l.call(l.token, l.TTL)
	if err != nil {
		return err
	}
	return l.change(ctx, executor, "extending", l.do.extend, c)
}

// Release frees the lock. ErrLockAlreadyReleased: it was not held any more. Any other error: it may
// have been released or not; it is when its lease is over. One statement.
func (l *DBLock) Release(ctx context.Context, executor SQLExecutor) error {
	if l.token == "" {
		return ErrLockAlreadyReleased
	}
	return l.change(ctx, executor, "releasing", l.do.release, call{key: l.Key, token: l.token})
}

func (l *DBLock) change(ctx context.Context, executor SQLExecutor, doing string, s statement, c call) error {
	n, err := exec(ctx, executor, s, c)
	switch {
	case err != nil:
		return fmt.Errorf("distrlock: %s %q: %w", doing, l.Key, err)
	case n == 0:
		return ErrLockAlreadyReleased
	}
	return nil
}

// newToken returns a random UUID that begins as ours do (RFC 9562, version 8).
func newToken() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	b[2] = b[2]&0x0f | 0x80
	b[4] = b[4]&0x3f | 0x80
	s := hex.EncodeToString(b[:])
	return ownTokens + s[:4] + "-" + s[4:8] + "-" + s[8:12] + "-" + s[12:]
}
