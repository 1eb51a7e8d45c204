package pglock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// statement is one call of an advisory lock function.
type statement struct {
	function string // without what the mode adds to its name
	mode     mode
	change   int  // of the number of holds, if the function says yes
	blocks   bool // it may wait at the server
}

// text returns the statement, which does nothing and yields NULL in another server process than ours. The
// key is part of it, since one with parameters takes some drivers two round trips.
func (l *Lock) text(s statement) string {
	answer := ""
	if s.blocks {
		answer = " IS NOT NULL" // the function returns nothing
	}
	return fmt.Sprintf(`SELECT CASE WHEN pg_catalog.pg_backend_pid() = %d THEN pg_catalog.%s%s('%d'::pg_catalog.int8)%s END`,
		l.at.pid, s.function, s.mode, l.id, answer)
}

// reply is the end of a statement.
type reply struct {
	yes bool
	err error
}

// call runs a statement when it is its turn, and reports what the function said. When ctx ends, or the Lock is
// closed, it returns, and what was begun is undone in the background, with the turn kept.
func (l *Lock) call(ctx context.Context, s statement) (bool, error) {
	if err := l.take(ctx); err != nil {
		return false, fmt.Errorf("pglock: key %d: %w", l.id, err)
	}
	if s.change < 0 && l.holds(s.mode) == 0 {
		l.pass()
		return false, nil
	}
	replies := make(chan reply, 1)
	l.wg.Go(func() { replies <- l.send(l.text(s)) })
	select {
	case r := <-replies:
		yes, err := l.settle(s, r)
		l.pass()
		return yes, err
	case <-ctx.Done():
		l.wg.Go(func() { l.giveUp(s, replies) })
		return false, fmt.Errorf("pglock: key %d: %w", l.id, ctx.Err())
	case <-l.closing:
		l.wg.Go(func() { l.giveUp(s, replies) })
		return false, ErrClosed
	}
}

// take waits for the turn.
func (l *Lock) take(ctx context.Context) error {
	if err := errors.Join(ctx.Err(), l.Err()); err != nil {
		return err
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.done:
		return l.Err()
	}
	if err := l.Err(); err != nil {
		l.pass()
		return err
	}
	return nil
}

func (l *Lock) pass() { <-l.turn }

// send runs a statement that yields one boolean.
func (l *Lock) send(text string) reply {
	var yes sql.NullBool
	err := l.conn.QueryRowContext(l.life, text).Scan(&yes)
	if err == nil && !yes.Valid {
		err = ErrPooler
	}
	return reply{yes.Bool, err}
}

// settle draws the conclusions from a reply.
func (l *Lock) settle(s statement, r reply) (bool, error) {
	switch {
	case r.err != nil && (r.err == ErrPooler || ended(r.err)):
		return false, l.lose(r.err)
	case r.err != nil:
		return false, fmt.Errorf("pglock: key %d: %w", l.id, r.err)
	case r.yes:
		l.count(s.mode, s.change)
	case s.change < 0:
		return false, l.lose(errors.New("the session did not have the lock any more"))
	}
	return r.yes, nil
}

// giveUp waits for the reply to a statement whose caller has gone, and undoes what it took.
func (l *Lock) giveUp(s statement, replies <-chan reply) {
	defer l.pass()
	r := l.await(s, replies)
	if yes, err := l.settle(s, r); !yes || err != nil || s.change < 0 {
		return
	}
	undo := statement{function: "pg_advisory_unlock", mode: s.mode, change: -1}
	_, _ = l.settle(undo, l.send(l.text(undo))) // an error ends the Lock
}

// await returns the reply. What may wait at the server is cancelled there.
func (l *Lock) await(s statement, replies <-chan reply) reply {
	if !s.blocks {
		return <-replies
	}
	pauses := backoff.New(10*time.Millisecond, time.Second)
	for {
		// The reply is not read before this has returned, so it cannot cancel the next statement.
		l.at.cancel(l.life, l.db)
		timer := time.NewTimer(pauses.Next())
		select {
		case r := <-replies:
			timer.Stop()
			return r
		case <-timer.C:
		}
	}
}
