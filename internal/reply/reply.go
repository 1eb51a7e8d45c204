// Package reply tells what a call of a database's driver has come to, whichever driver it
// is, and does not wait longer for it than wanted.
package reply

import (
	"context"
	"errors"
	"fmt"
)

// ErrNone is returned by Await when its context ended first. It comes with the context's
// error.
var ErrNone = errors.New("the database did not answer")

// Await returns what f returns, or ErrNone as soon as ctx ends: there are drivers that do not
// come back from a network that has fallen silent. f goes on then, in a goroutine that nobody
// waits for, and late, unless it is nil, gets what f returns in the end.
func Await[T any](ctx context.Context, f func() (T, error), late func(T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := f()
		done <- result{value, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	if late != nil {
		go func() {
			r := <-done
			late(r.value, r.err)
		}()
	}
	var none T
	return none, fmt.Errorf("%w: %w", ErrNone, ctx.Err())
}

// State returns the SQLSTATE of an error of a PostgreSQL server, or "": drivers tell it by a
// method.
func State(err error) string {
	var coded interface{ SQLState() string }
	if errors.As(err, &coded) {
		return coded.SQLState()
	}
	return ""
}

// Refused reports whether err is a server's answer that the statement failed, so that it did
// nothing. Of any other error the outcome is unknown: also of one that concerns the connection,
// or with which a server shuts down, which may follow a statement that was committed.
//
// The driver of MySQL and MariaDB tells only by its error's type, which is known here by name.
func Refused(err error) bool {
	if state := State(err); state != "" {
		return len(state) == 5 && state[:2] != "08" && state[:3] != "57P"
	}
	for ; err != nil; err = errors.Unwrap(err) {
		if fmt.Sprintf("%T", err) == "*mysql.MySQLError" {
			return true
		}
	}
	return false
}
