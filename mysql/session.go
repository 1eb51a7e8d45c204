package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
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

// statement is one SQL statement, and what reads a row of its result; nil if it has none.
type statement struct {
	sql  string
	read func(*sql.Rows) error
}

func plain(sql ...string) []statement {
	all := make([]statement, len(sql))
	for i, text := range sql {
		all[i].sql = text
	}
	return all
}

// run runs the statements in order: in one round trip, where the connection allows for
// that. It stops at the first error. After an error other than the server's the session
// is broken, and whether the statements take effect is unknown.
func (s *session) run(ctx context.Context, script ...statement) error {
	return s.watched(ctx, func() error { return s.send(ctx, script) })
}

// prepared runs a statement that is prepared the first time, and returns how many rows it
// has changed, and what LAST_INSERT_ID was given in it.
func (s *session) prepared(ctx context.Context, text string, args ...any) (count, id int64, err error) {
	err = s.watched(ctx, func() error {
		stmt := s.stmts[text]
		if stmt == nil {
			var err error
			if stmt, err = s.conn.PrepareContext(ctx, text); err != nil {
				return err
			}
			if s.stmts == nil {
				s.stmts = map[string]*sql.Stmt{}
			}
			s.stmts[text] = stmt
		}
		result, err := stmt.ExecContext(ctx, args...)
		if err == nil {
			count, _ = result.RowsAffected() // the driver knows both always
			id, _ = result.LastInsertId()
		}
		return err
	})
	return count, id, err
}

// watched runs what sends statements, and notes whether the session is broken.
func (s *session) watched(ctx context.Context, send func() error) error {
	if s.broken {
		return sqldriver.ErrBadConn
	}
	err := send()
	s.idle = s.idle && errors.Is(err, sqldriver.ErrBadConn)
	if err != nil && !refused(err) {
		s.broken = true
		if ctx.Err() != nil {
			err = errors.Join(ctxError(ctx), err)
		}
	}
	return err
}

func (s *session) send(ctx context.Context, script []statement) error {
	if s.multi || len(script) == 1 {
		return s.together(ctx, script)
	}
	for _, one := range script {
		if err := s.together(ctx, []statement{one}); err != nil {
			return err
		}
	}
	return nil
}

// together sends the statements in one packet. What reads a result does not fail: it notes
// what is wrong, so that all results are read.
func (s *session) together(ctx context.Context, script []statement) error {
	texts := make([]string, len(script))
	for i, one := range script {
		texts[i] = one.sql
	}
	rows, err := s.conn.QueryContext(ctx, strings.Join(texts, ";\n"))
	if err != nil {
		return err
	}
	defer rows.Close()
	more := true
	for _, one := range script {
		if one.read == nil {
			continue
		}
		for more && rows.Next() {
			if err := one.read(rows); err != nil {
				return err
			}
		}
		more = more && rows.NextResultSet()
	}
	for more {
		more = rows.NextResultSet()
	}
	return rows.Err()
}

// row returns what reads one row into the targets.
func row(targets ...any) func(*sql.Rows) error {
	return func(rows *sql.Rows) error { return rows.Scan(targets...) }
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
