package mysql

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"strings"
)

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
