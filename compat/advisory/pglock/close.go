package pglock

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
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
	case !l.finish(ErrClosed):
		return nil // it was lost, and its connection is closed already
	case !l.takeWithin(closeTimeout):
		l.discardLater()
		return fmt.Errorf("pglock: key %d: %w", l.id, errSilent)
	}
	err := l.giveBack()
	if !errors.Is(err, errSilent) {
		l.wg.Wait()
	}
	return err
}

var errSilent = errors.New("the server did not answer, and the connection was closed")

// discardLater closes the connection when it is free, and keeps the turn for good.
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
func (l *Lock) giveBack() error {
	var calls []string
	for _, m := range []mode{exclusive, shared} {
		if l.holds(m) > 0 {
			calls = append(calls, l.function(unlocking(m)))
		}
	}
	if calls == nil {
		return l.conn.Close()
	}
	results := make(chan error, 1)
	go func() {
		yes, err := l.send(l.inOurProcess(strings.Join(calls, " AND ")))
		if err == nil && yes {
			results <- l.conn.Close()
			return
		}
		discard(l.conn) // what it holds ends with it
		results <- cmp.Or(err, errGone)
	}()
	timer := time.NewTimer(closeTimeout)
	defer timer.Stop()
	select {
	case err := <-results:
		if err != nil {
			return fmt.Errorf("pglock: key %d: closing: %w", l.id, err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("pglock: key %d: %w", l.id, errSilent)
	}
}
