package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	modernc "modernc.org/sqlite"
)

// lane is one connection to the file, and one operation at a time on it.
//
// An operation whose caller's context ends runs to its end, commit or rollback,
// before the next one begins. So what a caller gave up on never takes effect
// after a later call of the same lane.
type lane struct {
	db    *sql.DB
	begin string
	turn  chan struct{} // holds one element while an operation runs

	// The fields below belong to the operation that runs.
	conn  *sql.Conn // nil until it is needed
	stmts map[string]*sql.Stmt
	epoch uint64 // as the last acquisition saw it; 0: none did
}

func newLane(path, begin string) (*lane, error) {
	db, err := openDB(dsn(path))
	if err != nil {
		return nil, err
	}
	return &lane{db: db, begin: begin, turn: make(chan struct{}, 1)}, nil
}

func openDB(dsn string) (*sql.DB, error) {
	connector, err := modernc.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// dsn sets what safety needs, whatever the defaults of the library. SQLite's own
// wait for locks cannot be interrupted, so it is off and retry waits instead.
func dsn(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // a drive letter: file:///C:/...
	}
	u := url.URL{Scheme: "file", Path: path}
	return u.String() + "?_pragma=busy_timeout(0)&_pragma=synchronous(FULL)&_error_rc=1"
}

// do runs op on the lane. It returns when ctx ends or c is closed, even if op
// does not: see lane. Statements are not interrupted.
func do[T any](ctx context.Context, c *conn, l *lane, op func() (T, error)) (T, error) {
	return doWithin(ctx, c, l, c.patience, op)
}

// doWithin is do with another patience.
func doWithin[T any](ctx context.Context, c *conn, l *lane, patience time.Duration, op func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	var zero T
	done := make(chan result, 1)
	err := c.spawn(ctx, func() {
		value, err := onLane(ctx, c, l, patience, op)
		done <- result{value, err}
	})
	if err != nil {
		return zero, err
	}
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		return zero, context.Cause(ctx)
	case <-c.life.Done():
		return zero, errClosed
	}
}

// onLane runs op in this goroutine, in its turn. It begins nothing after ctx has ended:
// the caller may have given up, and asked for something else.
func onLane[T any](ctx context.Context, c *conn, l *lane, patience time.Duration, op func() (T, error)) (value T, err error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return value, context.Cause(ctx)
	case <-c.life.Done():
		return value, errClosed
	}
	if ctx.Err() != nil {
		return value, context.Cause(ctx)
	}
	value, err = retry(ctx, c, patience, op)
	return value, classify(err)
}

// spawn runs f in a goroutine that Close waits for.
func (c *conn) spawn(ctx context.Context, f func()) error {
	if err := c.admit(ctx); err != nil {
		return err
	}
	go func() {
		defer c.work.Done()
		f()
	}()
	return nil
}

// admit registers something that Close waits for until it calls c.work.Done.
func (c *conn) admit(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errClosed
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	c.work.Add(1)
	return nil
}

// retry repeats f while the file is locked by others, for at most patience (0: no
// limit). f must leave nothing behind when it fails with SQLITE_BUSY. The pauses
// are short because transactions are, and because those of a busy client leave short
// gaps only.
func retry[T any](ctx context.Context, c *conn, patience time.Duration, f func() (T, error)) (T, error) {
	start := time.Now()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, time.Millisecond) {
		value, err := f()
		if !isBusy(err) {
			return value, err
		}
		if patience > 0 && time.Since(start) > patience {
			return value, fmt.Errorf("the file has been locked by another writer for %v: %w", patience, err)
		}
		select {
		case <-time.After(pause/2 + rand.N(pause)):
		case <-ctx.Done():
			return value, errors.Join(context.Cause(ctx), err)
		case <-c.life.Done():
			return value, errClosed
		}
	}
}
