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

// lose notes that the connection has ended, unless something ended the Lock before, and returns why it did.
func (l *Lock) lose(err error) error {
	return l.finish(fmt.Errorf("%w: key %d: %w", ErrLost, l.id, err))
}

// finish ends the Lock for a reason, unless it has ended, and returns the reason why it did.
func (l *Lock) finish(reason error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = reason
		close(l.done)
	}
	return l.err
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
	replies := make(chan reply, 1)
	l.wg.Go(func() { replies <- l.send(fmt.Sprintf(`SELECT pg_catalog.pg_backend_pid() = %d`, l.at.pid)) })
	timer := time.NewTimer(askBounds)
	defer timer.Stop()
	select {
	case r := <-replies:
		if r.err == nil && !r.yes {
			r.err = ErrPooler
		}
		if r.err != nil && (r.err == ErrPooler || ended(r.err)) {
			_ = l.lose(r.err)
		}
	case <-timer.C:
		_ = l.lose(errors.New("no answer"))
		l.kill()
		l.wg.Go(func() { <-replies; l.pass() })
		return
	}
	l.pass()
}
