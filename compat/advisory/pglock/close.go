package pglock

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// closeTimeout bounds each of the two steps of Close.
const closeTimeout = 3 * time.Second

// Close gives back whatever the Lock holds, and then its connection. When it has returned nil, nothing
// is held: others may acquire, also through the same pool. Waits in progress return ErrClosed. If the server does not
// answer, the connection is closed, and an error says so: the server frees the lock when it notices. It returns within
// six seconds. Calls after the first do nothing. One round trip, or none where nothing is held.
func (l *Lock) Close() error {
	var err error
	l.once.Do(func() { err = l.close() })
	return err
}

func (l *Lock) close() error {
	close(l.closing)
	defer l.kill() // drivers close the connection of a statement that is under way
	switch {
	case l.finish(ErrClosed) != ErrClosed:
		l.discardLater()
		return nil
	case !l.takeWithin(closeTimeout):
		l.discardLater()
		return fmt.Errorf("pglock: key %d: %w", l.id, errSilent)
	}
	err := l.giveBack(l.holds(exclusive), l.holds(shared))
	if !errors.Is(err, errSilent) {
		l.wg.Wait()
	}
	return err
}

var errSilent = errors.New("the server did not answer, and the connection was closed")

// discardLater closes the connection when it is free.
func (l *Lock) discardLater() {
	go func() {
		l.turn <- struct{}{}
		discard(l.conn)
	}()
}

// takeWithin waits for the turn, for a while.
func (l *Lock) takeWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case l.turn <- struct{}{}:
		return true
	case <-timer.C:
		return false
	}
}

// giveBack unlocks what is held, and no more than that, since the session is the pool's. The turn is ours for
// good.
func (l *Lock) giveBack(alone, beside int) error {
	if alone+beside == 0 {
		return l.conn.Close()
	}
	ctx, cancel := context.WithTimeout(l.life, closeTimeout)
	text := fmt.Sprintf(`SELECT pg_catalog.pg_backend_pid() = %d
	AND (SELECT coalesce(bool_and(pg_catalog.pg_advisory_unlock('%[2]d'::pg_catalog.int8)), true) FROM pg_catalog.generate_series(1, %[3]d))
	AND (SELECT coalesce(bool_and(pg_catalog.pg_advisory_unlock_shared('%[2]d'::pg_catalog.int8)), true) FROM pg_catalog.generate_series(1, %[4]d))`,
		l.at.pid, l.id, alone, beside)
	replies := make(chan reply, 1)
	go func() {
		defer cancel()
		var yes sql.NullBool
		err := l.conn.QueryRowContext(ctx, text).Scan(&yes)
		if err == nil && yes.Bool {
			replies <- reply{true, l.conn.Close()}
			return
		}
		discard(l.conn) // what it holds ends with it
		replies <- reply{false, err}
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case r := <-replies:
		if r.err != nil {
			return fmt.Errorf("pglock: key %d: closing: %w", l.id, r.err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("pglock: key %d: %w", l.id, errSilent)
	}
}
