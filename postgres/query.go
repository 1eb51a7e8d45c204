package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// These are the methods of pgx.Conn that the store calls. Where the server process is
// lent, each is a transaction of its own, but for what is between BEGIN and the end.

// Query is pgx.Conn.Query.
func (s *session) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if s.lent == nil {
		return s.Conn.Query(ctx, sql, args...)
	}
	c := s.single(ctx, sql, args)
	return c, c.err
}

// QueryRow is pgx.Conn.QueryRow.
func (s *session) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	if s.lent == nil {
		return s.Conn.QueryRow(ctx, sql, args...)
	}
	return oneRow{s.single(ctx, sql, args)}
}

// Exec is pgx.Conn.Exec. The tag counts the rows that the statement returns.
func (s *session) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	if s.lent == nil {
		return s.Conn.Exec(ctx, sql, args...)
	}
	c := s.single(ctx, sql, args)
	return c.tag(), c.err
}

func (s *session) single(ctx context.Context, sql string, args []any) *cursor {
	results, err := s.ask(ctx, []*pgx.QueuedQuery{{SQL: sql, Arguments: args}})
	if err != nil {
		return &cursor{result: &result{}, err: err}
	}
	return &cursor{result: results[0]}
}

// SendBatch is pgx.Conn.SendBatch.
func (s *session) SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults {
	if s.lent == nil {
		return s.Conn.SendBatch(ctx, batch)
	}
	results, err := s.ask(ctx, batch.QueuedQueries)
	return &answers{queries: batch.QueuedQueries, results: results, err: err}
}

// script runs a text of several statements, of which nobody reads a result.
func (s *session) script(ctx context.Context, text string) error {
	if s.lent != nil {
		_, err := s.exchange(ctx, text)
		return err
	}
	_, err := s.PgConn().Exec(ctx, text).ReadAll()
	return err
}

// inTransaction reports whether a transaction is open, or failed and not yet undone.
func (s *session) inTransaction() bool {
	if s.lent != nil {
		return s.lent.open
	}
	return s.PgConn().TxStatus() != 'I'
}

// transact runs fn in a transaction.
func (s *session) transact(ctx context.Context, fn func() error) error {
	if _, err := s.Exec(ctx, `BEGIN`); err != nil {
		return err
	}
	err := fn()
	if err == nil {
		_, err = s.Exec(ctx, `COMMIT`)
	}
	if err != nil && !s.IsClosed() && s.inTransaction() {
		_, _ = s.Exec(ctx, `ROLLBACK`) // the first error says more
	}
	return err
}

// IsClosed reports whether the connection was lost or closed.
func (s *session) IsClosed() bool {
	if s.lent != nil {
		return s.lent.wire.closed()
	}
	return s.Conn.IsClosed()
}

// Close closes the connection, politely where it is pgx's.
func (s *session) Close(ctx context.Context) {
	if s.Conn != nil {
		_ = s.Conn.Close(ctx)
	}
	s.discard()
}

// discard closes the connection without a word to the server: the network may hang.
func (s *session) discard() {
	if s.lent != nil {
		s.lent.wire.discard()
		return
	}
	_ = s.raw.Close()
}

// reading returns the session for statements that change nothing: they need no seat.
func (s *session) reading() *session {
	if s.lent == nil {
		return s
	}
	r := *s
	r.seat = [16]byte{}
	return &r
}
