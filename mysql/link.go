package mysql

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// link is one connection of a Conn, made when it is needed and again after it broke. It
// runs one call at a time. It is safe for concurrent use.
type link struct {
	db       *sql.DB
	life     context.Context // ends with the Conn
	dials    *sync.WaitGroup // in progress
	multi    bool            // the connections of db take several statements together
	patience time.Duration   // bounds a statement; 0: nothing does
	// ordered: a new session runs nothing before its predecessors have ended.
	ordered bool

	// turn is held by sending to it. It guards the fields below.
	turn    chan struct{}
	session *session
	dialing chan dialled // not nil: a dial is in progress
	lost    []string     // marks of sessions given up, not yet seen to have ended
}

// use waits for its turn and calls fn with a session that is set up. If the session breaks
// under fn, or ctx ends, it is given up. It returns when ctx ends, whatever the network
// does.
func (l *link) use(ctx context.Context, fn func(context.Context, *session) error) error {
	if ctx.Err() != nil {
		return ctxError(ctx)
	}
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return ctxError(ctx)
	}
	stale, err := l.attempt(ctx, fn)
	if stale {
		_, err = l.attempt(ctx, fn)
	}
	return classify(err)
}

// attempt calls fn with a session. stale: the session had ended before fn sent anything.
func (l *link) attempt(ctx context.Context, fn func(context.Context, *session) error) (stale bool, err error) {
	if err := l.ready(ctx); err != nil {
		return false, err
	}
	s := l.session
	s.idle = true
	err = fn(ctx, s)
	if s.broken {
		l.giveUp()
	}
	return s.broken && s.idle, err
}

// ready makes sure of a session, set up and alone. Dialling outlives ctx: a network that is
// slower than the calls are patient is no reason to begin anew each time. Never does a link
// dial twice at a time.
func (l *link) ready(ctx context.Context) error {
	for l.session == nil {
		if l.life.Err() != nil {
			return errClosed
		}
		stale := l.dialing != nil
		if !stale {
			done := make(chan dialled, 1)
			l.dialing = done
			l.dials.Go(func() { l.dial(done, l.lost) })
		}
		select {
		case d := <-l.dialing:
			l.dialing = nil
			switch {
			case d.err == nil:
				l.session, l.lost = d.session, nil
			case !stale: // else the error answers an earlier call
				return d.err
			}
		case <-ctx.Done():
			return ctxError(ctx)
		}
	}
	return nil
}

// giveUp drops the session. Called with the turn.
func (l *link) giveUp() {
	if l.ordered {
		l.lost = append(l.lost, l.session.mark)
	}
	l.session.discard()
	l.session = nil
}

// close drops the session, and one that is being dialled, when the call in progress has
// ended: at the latest with ctx. It reports whether that call has. Life has ended before, so
// nothing is dialled any more then.
func (l *link) close(ctx context.Context) bool {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return false
	}
	defer func() { <-l.turn }()
	if l.dialing != nil {
		select {
		case d := <-l.dialing:
			l.session, l.dialing = d.session, nil
		case <-ctx.Done():
		}
	}
	if l.session != nil {
		l.session.discard()
		l.session = nil
	}
	return true
}
