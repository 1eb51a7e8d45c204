package postgres

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// question is a statement, and what reads its rows, which are in binary form.
type question struct {
	sql  string
	args []any
	read func(pgx.Rows) error
}

// pipe is a session to which transactions are sent before the results of earlier ones have
// come. Nothing else may use the session until it is closed. It is for one goroutine.
type pipe struct {
	session  *session
	prepared map[string]string // names of statements, by their texts
	pipeline *pgconn.Pipeline
}

// pipe begins with that. Only these statements can be sent.
func (s *session) pipe(ctx context.Context, statements ...string) (*pipe, error) {
	p := &pipe{session: s, prepared: make(map[string]string, len(statements))}
	for _, sql := range statements {
		prepared, err := s.Prepare(ctx, sql, sql) // a round trip, the first time only
		if err != nil {
			return nil, err
		}
		p.prepared[sql] = prepared.Name
	}
	p.pipeline = s.PgConn().StartPipeline(ctx)
	return p, nil
}

// send sends statements, as one transaction.
func (p *pipe) send(questions []question) error {
	for _, q := range questions {
		p.pipeline.SendQueryPrepared(p.prepared[q.sql], binaries(q.args), binaryForm, binaryForm)
	}
	return p.pipeline.Sync()
}

// receive reads the results of the first transaction of those that have been sent. Nil: it
// is committed.
func (p *pipe) receive(questions []question) (err error) {
	for _, q := range questions {
		if err = p.read(q); err != nil {
			break
		}
	}
	end := p.end()
	return cmp.Or(err, end)
}

// read reads the result of the next statement.
func (p *pipe) read(q question) error {
	result, err := p.pipeline.GetResults()
	if err != nil {
		return err
	}
	reader, ok := result.(*pgconn.ResultReader)
	if !ok {
		return errors.New("the server sent fewer results than there were statements")
	}
	rows := pgx.RowsFromResultReader(p.session.TypeMap(), reader)
	defer rows.Close()
	return q.read(rows)
}

// end reads on to the end of the transaction.
func (p *pipe) end() (err error) {
	for !p.session.IsClosed() {
		result, failed := p.pipeline.GetResults()
		if _, ok := result.(*pgconn.PipelineSync); ok {
			return err
		}
		if result == nil && failed == nil {
			break
		}
		err = cmp.Or(err, failed)
	}
	return cmp.Or(err, errors.New("the connection ended before the transaction did"))
}

// close makes the session one like any other again, after err. What has been sent, and was
// not received, is lost.
func (p *pipe) close(ctx context.Context, err error) {
	_ = p.pipeline.Close() // err says more; and so does the session, if it is closed now
	for sql := range p.prepared {
		p.session.forget(ctx, sql, err)
	}
}
