package postgres

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/leaseholdgo/leasehold/driver"
)

// backend names one server process, in the server's own words: by pid, which may
// be in use again, by start, in seconds, and by the role that logged in (its oid).
type backend struct {
	pid     string
	started string
	role    string
	seat    driver.ID // of a session whose process was lent, instead of the above; zero: it had none
}

// session is one connection that has been set up.
type session struct {
	*pgx.Conn          // nil: the connection is database/sql's
	raw       net.Conn // likewise
	lent      *lent    // not nil: the server process is ours for one transaction at a time
	seat      driver.ID
	backend   backend
	system    *string // the server's system identifier; nil if it does not tell
	timeline  *string // its timeline; nil if it does not tell
	blind     bool    // that is so
	unsure    *atomic.Bool
	dialled   time.Time // of package clock
	// epoch is the number on record of the incarnation that this session is of; 0: not
	// known yet. A server does not become another incarnation under a session.
	epoch int64
}

// link is one connection of a Conn, dialled when it is needed and again after it
// broke. It runs one call at a time. It is safe for concurrent use.
type link struct {
	dialer *dialer
	// ordered: a new session runs nothing before the backends of its
	// predecessors have ended.
	ordered bool

	// turn is held by sending to it. It guards the fields below.
	turn    chan struct{}
	session *session
	dialing chan dialled // not nil: a dial is in progress
	lost    []backend    // of sessions given up, not yet seen to have ended
}

type dialled struct {
	session *session
	err     error
}

func newLink(d *dialer, ordered bool) *link {
	return &link{dialer: d, ordered: ordered, turn: make(chan struct{}, 1)}
}

// use waits for its turn and calls fn with a session that is set up. If the
// session breaks under fn, or ctx ends, it is given up. It returns when ctx
// ends, whatever the network does; fn must honour ctx, as pgx does.
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
	s, err := l.ready(ctx)
	if err != nil {
		return classify(err)
	}
	s.unsure.Store(false)
	err = fn(ctx, s)
	if s.IsClosed() {
		l.giveUp()
	} else if err == nil && s.unsure.Load() {
		err = errUnsure
	}
	return classify(err)
}

// ready returns the session, dialled and alone.
func (l *link) ready(ctx context.Context) (*session, error) {
	if l.session == nil {
		s, err := l.dial(ctx)
		if err != nil {
			return nil, err
		}
		l.session = s
	}
	err := l.settle(ctx)
	if err == nil {
		err = l.sit(ctx)
	}
	if err != nil {
		if l.session.IsClosed() {
			l.session.discard()
			l.session = nil // it ran nothing that could take effect
		}
		return nil, err
	}
	return l.session, nil
}

// dial waits for a new session. The dial outlives ctx, so that hooks of the
// caller's that do not honour a context delay nobody, and never does a link
// dial twice at a time.
func (l *link) dial(ctx context.Context) (*session, error) {
	for {
		stale := l.dialing != nil
		if !stale {
			done := make(chan dialled, 1)
			l.dialing = done
			l.dialer.start(done)
		}
		select {
		case d := <-l.dialing:
			l.dialing = nil
			if d.err != nil && stale {
				continue // the error answers an earlier call
			}
			return d.session, d.err
		case <-ctx.Done():
			return nil, ctxError(ctx)
		}
	}
}

// settle returns once the backends of lost sessions have ended. Until then a
// statement whose reply was lost might still take effect.
func (l *link) settle(ctx context.Context) error {
	for pause := time.Millisecond; len(l.lost) > 0; {
		ended, err := l.end(ctx, l.lost[0])
		if err != nil {
			return fmt.Errorf("ending the backend of a lost connection: %w", err)
		}
		if ended {
			l.lost = l.lost[1:]
			continue
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, 50*time.Millisecond)
		case <-ctx.Done():
			return fmt.Errorf("the backend of a lost connection has not ended: %w", ctxError(ctx))
		}
	}
	return nil
}

// end ends a lost session, and reports whether it is gone.
func (l *link) end(ctx context.Context, b backend) (bool, error) {
	switch {
	case !b.seat.IsZero():
		return l.session.endSeat(ctx, l.dialer.sql, b.seat)
	case b.pid == "":
		return true, nil // it had nothing to lose
	default:
		return l.session.end(ctx, b)
	}
}

// end terminates a backend and reports whether it is gone. A process of another
// role under its pid is another one. If its start is hidden from us, because a
// hook has changed our role, it may be the one: it is waited for and left alone.
func (s *session) end(ctx context.Context, b backend) (bool, error) {
	const sql = `SELECT count(pg_terminate_backend(CASE WHEN a.backend_start IS NOT NULL THEN a.pid END)), count(*)
		FROM pg_stat_activity AS a
		WHERE a.pid::text = $1 AND a.usesysid::text = $3 AND (extract(epoch FROM a.backend_start)::text = $2 OR a.backend_start IS NULL)`
	var signalled, found int
	err := s.QueryRow(ctx, sql, b.pid, b.started, b.role).Scan(&signalled, &found)
	return found == 0, err
}

// giveUp drops the session. Called with the turn.
func (l *link) giveUp() {
	if l.session == nil {
		return
	}
	l.session.discard()
	if l.ordered {
		l.lost = append(l.lost, l.session.backend)
	}
	l.session = nil
}

// close gives up the session. The calls in progress were ended by the dialer's
// context before.
func (l *link) close(ctx context.Context) {
	select {
	case l.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-l.turn }()
	if l.session != nil {
		l.leave(ctx)
		l.session.Close(ctx)
		l.session = nil
	}
}
