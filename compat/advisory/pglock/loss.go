package pglock

import (
	"errors"
	"fmt"
	"time"
)

const (
	askEvery  = time.Second
	askBounds = 5 * time.Second
)

// Done returns a channel that is closed when the Lock is of no more use: its connection has ended, and so has
// whatever it held, or Close was called. From the first call on, the connection is asked once
// a second. An addition to the API of the original.
func (l *Lock) Done() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.watch && l.err == nil {
		l.watch = true
		l.wg.Go(l.watchConn)
	}
	return l.done
}

// Err returns why the Lock is of no more use: ErrLost, with what the driver said of it, or ErrClosed. Nil: nothing is
// known of that. An addition to the API of the original.
func (l *Lock) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// lose notes that the connection has ended, unless something ended the Lock before, and returns why it did. If the
// connection has not ended it will, with what it holds.
func (l *Lock) lose(err error) error {
	reason := fmt.Errorf("%w: key %d: %w", ErrLost, l.id, err)
	if l.finish(reason) {
		l.discardLater()
	}
	return l.Err()
}

// finish ends the Lock for a reason, and reports whether it had not ended before.
func (l *Lock) finish(reason error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	first := l.err == nil
	if first {
		l.err = reason
		close(l.done)
	}
	return first
}

// watchConn asks the connection from time to time, until the Lock has ended. While a call is under way that
// one will tell.
func (l *Lock) watchConn() {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-l.done:
			return
		}
		select {
		case l.turn <- struct{}{}:
			l.ask()
		default:
		}
	}
}

// ask asks the connection whether it is there, and passes the turn.
func (l *Lock) ask() {
	answers := make(chan error, 1)
	l.wg.Go(func() {
		_, err := l.send(l.inOurProcess("true"))
		answers <- err
	})
	timer := time.NewTimer(askBounds)
	defer timer.Stop()
	select {
	case err := <-answers:
		if err != nil && l.fails(err) {
			_ = l.lose(err)
		}
	case <-timer.C:
		_ = l.lose(errors.New("no answer"))
		l.kill()
		l.wg.Go(func() { <-answers; l.pass() })
		return
	}
	l.pass()
}
