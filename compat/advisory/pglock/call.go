package pglock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// statement is one call of an advisory lock function. The session holds each mode once at the server, whatever the
// number of holds, which is counted here: the server would not tell it.
type statement struct {
	function string // without what the mode adds to its name
	mode     mode
	change   int  // of the number of holds, if the function says yes
	blocks   bool // it may wait at the server
}

func unlocking(m mode) statement {
	return statement{function: "pg_advisory_unlock", mode: m, change: -1}
}

// text returns the statement for the server. It does nothing, and yields NULL, in another server process than
// ours. The key is part of it, since one with parameters takes some drivers two round trips.
func (l *Lock) text(s statement) string {
	do := l.function(s)
	if s.blocks {
		do += " IS NOT NULL" // the function returns nothing
	}
	return l.inOurProcess(do)
}

func (l *Lock) function(s statement) string {
	return fmt.Sprintf(`pg_catalog.%s%s('%d'::pg_catalog.int8)`, s.function, s.mode, l.id)
}

func (l *Lock) inOurProcess(do string) string {
	return fmt.Sprintf(`SELECT CASE WHEN pg_catalog.pg_backend_pid() = %d THEN %s END`, l.at.pid, do)
}

// flight is a statement under way.
type flight struct {
	mu       sync.Mutex // held while the server is told to cancel it
	over     bool       // the reply is there
	outcomes chan outcome
}

// outcome is what a statement came to.
type outcome struct {
	yes bool
	err error
}

// call runs a statement when it is its turn, and reports what the function said. When ctx ends, or the Lock is
// closed, it returns, and what was begun is undone in the background, with the turn kept.
func (l *Lock) call(ctx context.Context, s statement) (bool, error) {
	if err := l.take(ctx); err != nil {
		return false, err
	}
	if s.change < 0 && l.holds(s.mode) == 0 {
		l.pass()
		return false, nil
	}
	f := &flight{outcomes: make(chan outcome, 1)}
	l.wg.Go(func() { f.outcomes <- l.perform(s, f) })
	select {
	case o := <-f.outcomes:
		l.pass()
		return o.yes, o.err
	case <-ctx.Done():
		l.wg.Go(func() { l.giveUp(s, f) })
		return false, l.gaveUp(ctx)
	case <-l.closing:
		l.wg.Go(func() { l.giveUp(s, f) })
		return false, ErrClosed
	}
}

// take waits for the turn.
func (l *Lock) take(ctx context.Context) error {
	switch {
	case l.Err() != nil:
		return l.Err()
	case ctx.Err() != nil:
		return l.gaveUp(ctx)
	}
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return l.gaveUp(ctx)
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

func (l *Lock) gaveUp(ctx context.Context) error {
	return fmt.Errorf("pglock: key %d: %w", l.id, ctx.Err())
}

// perform runs a statement and counts what it changed. Where only the count changes, the server is asked
// whether the session is there.
func (l *Lock) perform(s statement, f *flight) outcome {
	text := l.inOurProcess("true")
	atServer := l.holds(s.mode) == max(-s.change, 0) // none before, or none after it
	if atServer {
		text = l.text(s)
	}
	yes, err := l.send(text)
	f.mu.Lock()
	f.over = true
	f.mu.Unlock()
	if err != nil && !l.fails(err) && atServer {
		yes, err = l.resolve(s, err)
	}
	switch {
	case err != nil && l.fails(err):
		err = l.lose(err)
	case err != nil:
		err = fmt.Errorf("pglock: key %d: %w", l.id, err)
	case yes:
		l.count(s.mode, s.change)
	case s.change < 0:
		err = l.lose(errGone)
	}
	return outcome{yes && err == nil, err}
}

// send runs a statement that yields one boolean.
func (l *Lock) send(text string) (bool, error) {
	var yes sql.NullBool
	err := l.conn.QueryRowContext(l.life, text).Scan(&yes)
	if err == nil && !yes.Valid {
		err = ErrPooler
	}
	return yes.Bool, err
}

// fails reports whether an error means that the Lock is of no more use.
func (l *Lock) fails(err error) bool {
	return errors.Is(err, ErrPooler) || errors.Is(err, errDoubt) || ended(err)
}

// resolve makes sure that the session does not have the lock, after a statement that failed: an advisory lock stays when
// the statement that took it is cancelled a moment later. So the lock is given back, if it is there.
func (l *Lock) resolve(s statement, failure error) (bool, error) {
	for range 3 { // a cancellation may be on its way that its sender did not wait for
		_, err := l.send(l.text(unlocking(s.mode)))
		switch {
		case err == nil && s.change < 0:
			return true, nil
		case err == nil:
			return false, failure
		case l.fails(err):
			return false, err
		}
	}
	return false, fmt.Errorf("%w: %w", errDoubt, failure)
}

// giveUp waits for the outcome of a statement whose caller has gone, and undoes what it took.
func (l *Lock) giveUp(s statement, f *flight) {
	defer l.pass()
	o := l.await(s, f)
	if o.yes && s.change > 0 {
		l.perform(unlocking(s.mode), &flight{}) // an error ends the Lock
	}
}

// await returns the outcome. What may wait at the server is cancelled there.
func (l *Lock) await(s statement, f *flight) outcome {
	if !s.blocks {
		return <-f.outcomes
	}
	pauses := backoff.New(10*time.Millisecond, time.Second)
	for {
		l.cancel(f)
		timer := time.NewTimer(pauses.Next())
		select {
		case o := <-f.outcomes:
			timer.Stop()
			return o
		case <-timer.C:
		}
	}
}

// cancel ends the statement at the server. While it is at that, no other statement is sent, which would be cancelled
// instead.
func (l *Lock) cancel(f *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.over {
		l.at.cancel(l.life, l.db)
	}
}
