package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// link is one connection of a Conn, made when it is needed and again after it broke. It
// runs one call at a time. It is safe for concurrent use.
type link struct {
	db       *sql.DB
	multi    bool          // the connections of db take several statements together
	patience time.Duration // bounds a statement; 0: nothing does
	// ordered: a new session runs nothing before its predecessors have ended.
	ordered bool

	// turn is held by sending to it. It guards the fields below.
	turn    chan struct{}
	session *session
	lost    []string // marks of sessions given up, not yet seen to have ended
}

func newLink(db *sql.DB, multi, ordered bool, patience time.Duration) *link {
	return &link{db: db, multi: multi, ordered: ordered, patience: patience, turn: make(chan struct{}, 1)}
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

// ready makes sure of a session, and that it is alone.
func (l *link) ready(ctx context.Context) error {
	if l.session == nil {
		s, err := l.dial(ctx)
		if err != nil {
			return err
		}
		l.session = s
	}
	err := l.settle(ctx)
	if l.session.broken {
		l.session.discard()
		l.session = nil // it ran nothing that could take effect
	}
	return err
}

func (l *link) dial(ctx context.Context) (*session, error) {
	conn, err := l.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect: %w", err)
	}
	s := &session{conn: conn, multi: l.multi}
	if !s.multi {
		err = s.tellMulti(ctx)
	}
	if err == nil {
		err = s.setUp(ctx, l.patience)
	}
	if err != nil {
		s.discard()
		return nil, err
	}
	return s, nil
}

// settle returns once the lost sessions have ended. Until then a statement whose reply
// was lost might still take effect.
func (l *link) settle(ctx context.Context) error {
	for pause := 200 * time.Microsecond; len(l.lost) > 0; {
		ended, err := l.session.end(ctx, l.lost[0])
		if err != nil {
			return fmt.Errorf("ending a lost connection: %w", err)
		}
		if ended {
			l.lost = l.lost[1:]
			continue
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 50*time.Millisecond)
		case <-ctx.Done():
			return fmt.Errorf("a lost connection has not ended: %w", ctxError(ctx))
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

// close drops the session, when the call in progress has ended: at the latest with ctx.
func (l *link) close(ctx context.Context) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-l.turn }()
	if l.session != nil {
		l.session.discard()
		l.session = nil
	}
}
