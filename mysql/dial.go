package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/backoff"
)

// session is one connection that has been set up.
type session struct {
	conn *sql.Conn
	// mark is a lock of the server's own that this session holds as long as it lives, by
	// a random name: so others see whether it has ended.
	mark   string
	server string               // which server this is: see identity
	multi  bool                 // several statements may be sent together
	broken bool                 // the connection is not to be used again
	idle   bool                 // nothing has been sent in this turn
	stmts  map[string]*sql.Stmt // prepared; they end with the connection
	epoch  uint64               // that of this server, if it was last seen to grant; else 0
}

type dialled struct {
	session *session
	err     error
}

// dialTimeout bounds a dial, with all that follows until the session is alone.
const dialTimeout = 10 * time.Second

// dial makes a session, and sends it when those that were lost have ended: until then a
// statement whose reply was lost might still take effect.
func (l *link) dial(done chan<- dialled, lost []string) {
	ctx, cancel := context.WithTimeout(l.life, dialTimeout)
	defer cancel()
	conn, err := l.db.Conn(ctx)
	if err != nil {
		done <- dialled{err: fmt.Errorf("cannot connect: %w", err)}
		return
	}
	s := &session{conn: conn, multi: l.multi}
	if !s.multi {
		err = s.tellMulti(ctx)
	}
	if err == nil {
		err = s.setUp(ctx, l.patience)
	}
	for _, mark := range lost {
		if err == nil {
			err = s.outlive(ctx, mark)
		}
	}
	if err == nil && l.life.Err() != nil {
		err = errClosed // nobody comes for it
	}
	if err != nil {
		s.discard()
		s = nil
	}
	done <- dialled{s, err}
}

// outlive returns once the session that holds the mark has ended.
func (s *session) outlive(ctx context.Context, mark string) error {
	for pause := 200 * time.Microsecond; ; pause = min(2*pause, 50*time.Millisecond) {
		ended, err := s.end(ctx, mark)
		if err != nil {
			return fmt.Errorf("ending a lost connection: %w", err)
		}
		if ended {
			return nil
		}
		if !backoff.Sleep(ctx, pause) {
			return fmt.Errorf("a lost connection has not ended: %w", ctxError(ctx))
		}
	}
}

// settings are what safety needs, for this session only, whatever the server's defaults
// are. The first part is understood by every server; MariaDB also runs what follows M!:
// its limit on the time of a statement, and on that of a transaction that a client has
// left behind without ending it.
const settings = `SET SESSION autocommit = 1, completion_type = 0, sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',
	time_zone = '+00:00', timestamp = DEFAULT, innodb_lock_wait_timeout = 1, lock_wait_timeout = %[1]d,
	sql_safe_updates = 0, sql_select_limit = 18446744073709551615, sql_big_selects = 1,
	unique_checks = 1, foreign_key_checks = 1, wait_timeout = 28800
	/*M!, max_statement_time = %[2]g, idle_transaction_timeout = %[1]d, query_cache_type = 0 */`

const isolation = `SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE`

// identity tells one server from another: MySQL has an id of its own for that; MariaDB
// servers that replicate differ in server_id, and others in host or port.
const identity = `CONCAT_WS(' ' /*!80000 , @@server_uuid */ /*M! , @@server_id, @@hostname, @@port */)`

// setUp makes the settings. patience bounds each statement on the server's side, where
// the server can do that; 0: nothing does.
func (s *session) setUp(ctx context.Context, patience time.Duration) error {
	abandoned := int64(max(1, math.Ceil(patience.Seconds())))
	if patience == 0 {
		abandoned = 3600
	}
	if err := s.run(ctx, plain(fmt.Sprintf(settings, abandoned, patience.Seconds()), isolation)...); err != nil {
		return err
	}
	var got sql.NullInt64
	var readOnly bool
	s.mark = "leasehold_" + driver.NewID().String()
	err := s.run(ctx, statement{
		`SELECT GET_LOCK('` + s.mark + `', 0), @@global.read_only, ` + identity, row(&got, &readOnly, &s.server),
	})
	switch {
	case err != nil:
		return err
	case readOnly:
		return errReadOnly
	case got.Int64 != 1:
		return errors.New("the server does not give out named locks")
	}
	return nil
}

// tellMulti finds out whether several statements may be sent together.
func (s *session) tellMulti(ctx context.Context) error {
	s.multi = true
	err := s.run(ctx, plain("DO 1", "DO 1")...)
	if s.multi = err == nil; hasCode(err, codeParse) {
		return nil
	}
	return err
}

// end ends the session that holds the mark, and reports whether it is gone. A session
// gives up its mark after it has ended its transaction.
func (s *session) end(ctx context.Context, mark string) (bool, error) {
	var id sql.NullInt64
	if err := s.run(ctx, statement{`SELECT IS_USED_LOCK('` + mark + `')`, row(&id)}); err != nil || !id.Valid {
		return err == nil, err
	}
	if err := s.run(ctx, plain("KILL CONNECTION "+number(id.Int64))...); err != nil && !refused(err) {
		return false, err
	}
	return false, nil // one may not be allowed to, or it has just ended: look again
}

// rollback ends a transaction that failed. Where that is not possible, the session is not
// used again, which ends it too.
func (s *session) rollback(ctx context.Context) {
	if err := s.run(ctx, plain("ROLLBACK")...); err != nil {
		s.broken = true
	}
}

// discard closes the connection, and gives none back to a pool: it has our settings.
func (s *session) discard() {
	s.broken = true
	_ = s.conn.Raw(func(any) error { return sqldriver.ErrBadConn })
	_ = s.conn.Close()
}
