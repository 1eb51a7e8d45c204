package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/leaseholdgo/leasehold/driver"
)

// lent is the part of a session whose server process is its own for one transaction at a
// time only: a pooler lends it, or database/sql is in between and says nothing about it.
// Nothing is left at the server from one transaction to the next, neither a setting nor a
// prepared statement. So each transaction makes the settings that safety needs, and
// checks that it is where it was meant to be, before it does anything else: all in one
// text of several statements, in one round trip.
type lent struct {
	wire     wire
	types    *pgtype.Map
	settings []string // what each transaction begins with
	origin   string   // a condition: this is the incarnation that setUp has seen; empty: it cannot be told
	sql      *statements
	open     bool // a transaction is, from one call to the next
}

// wire carries texts to a server.
type wire interface {
	// exchange sends the text, and returns the results of those of its statements that
	// have columns, when all have been answered. An error of the server's ends the text.
	// It returns when ctx ends, whatever state the network is in; that, and every other
	// error, costs the connection.
	exchange(ctx context.Context, text string) ([]*result, error)
	// closed reports whether the connection was lost or closed.
	closed() bool
	// discard closes the connection without waiting for anybody.
	discard()
}

var (
	errMoved  = errors.New("the server is another one than before, or takes this connection for lost")
	errNoRows = errors.New("a statement returned no result")
)

// codeDivision is the SQLSTATE of what a text's check ends with.
const (
	codeDivision = "22012"
	codeState    = "55000" // such as: a standby has no log of its own
)

// lentSettings are those of setUpSQL, for one transaction. What the server reports to the
// client changes back within the same round trip, so nobody gets to see it.
const lentSettings = `SELECT pg_catalog.set_config('statement_timeout', '%[1]d', true);
SELECT
	pg_catalog.set_config('lock_timeout', '%[2]d', true),
	pg_catalog.set_config('idle_in_transaction_session_timeout', '%[3]d', true),
	pg_catalog.set_config('synchronous_commit', CASE pg_catalog.current_setting('synchronous_commit')
		WHEN 'remote_apply' THEN 'remote_apply' ELSE 'on' END, true),
	pg_catalog.set_config('TimeZone', 'UTC', true),
	pg_catalog.set_config('DateStyle', 'ISO', true),
	pg_catalog.set_config('bytea_output', 'hex', true),
	pg_catalog.set_config('search_path', 'pg_catalog', true),
	pg_catalog.set_config('client_min_messages', 'warning', true),
	pg_catalog.set_config('enable_seqscan', 'off', true),
	pg_catalog.set_config('enable_hashjoin', 'off', true),
	pg_catalog.set_config('enable_mergejoin', 'off', true),
	pg_catalog.set_config('jit', 'off', true)`

// begin returns the statements that open a transaction, of which all but the first have a
// result. Where the session has a seat, that is locked, so that whoever takes it away waits
// for the end of the transaction.
func (l *lent) begin(seat driver.ID) []string {
	texts := []string{"BEGIN ISOLATION LEVEL READ COMMITTED NOT DEFERRABLE"}
	texts = append(texts, l.settings...)
	if l.origin != "" {
		texts = append(texts, "SELECT 1 / ("+l.origin+")::integer")
	}
	if !seat.IsZero() {
		texts = append(texts, "SELECT 1 / ("+strings.ReplaceAll(l.sql.haveSeat, "$seat", quote(seat.String()))+")")
	}
	return texts
}

// setUpLent finds out what setUp does, and prepares what each transaction begins with.
func (d *dialer) setUpLent(ctx context.Context, s *session) error {
	l := s.lent
	l.sql, l.types = d.sql, pgtype.NewMap()
	d.polls.Store(true)
	l.settings = strings.Split(fmt.Sprintf(lentSettings, d.statementTimeout().Milliseconds(), d.lockTimeout().Milliseconds(), d.ttl.Milliseconds()), ";\n")
	var version int
	var encoding, readOnly string
	var standby bool
	err := s.QueryRow(ctx, `SELECT current_setting('server_version_num')::integer, current_setting('server_encoding'),
		pg_is_in_recovery(), current_setting('default_transaction_read_only')`).Scan(&version, &encoding, &standby, &readOnly)
	if err != nil {
		return err
	}
	if err := usable(encoding, standby || readOnly == "on"); err != nil {
		return err
	}
	if err := s.transact(ctx, func() error { return nil }); hasCode(err, codeProtocol) {
		return driver.Permanent(fmt.Errorf("a pooler in between has no transactions (pgbouncer: pool_mode = statement): let it use transaction or session mode: %w", err))
	} else if err != nil {
		return err
	}
	if version >= 170000 {
		l.settings = append(l.settings, "SELECT set_config('transaction_timeout', '0', true)")
	}
	if err := s.identify(ctx); err != nil {
		return err
	}
	var origin []string
	if s.system != nil {
		origin = append(origin, systemSQL+" = "+quote(*s.system))
	}
	if s.timeline != nil {
		origin = append(origin, timelineSQL+" = "+quote(*s.timeline))
	}
	l.origin = strings.Join(origin, " AND ")
	return nil
}

// ask makes the queries in one transaction, and returns their results, in order, when it
// has committed. BEGIN as the first keeps the transaction open, for the calls that follow
// until one ends with COMMIT or ROLLBACK. An error of the server's undoes the transaction.
func (s *session) ask(ctx context.Context, queries []*pgx.QueuedQuery) ([]*result, error) {
	l := s.lent
	first, last := queries[0].SQL, queries[len(queries)-1].SQL
	ends := last == "COMMIT" || last == "ROLLBACK"
	var texts []string
	head := 0
	if !l.open {
		texts = l.begin(s.seat)
		head = len(texts) - 1
	}
	for _, q := range queries {
		if control(q.SQL) {
			continue
		}
		text, err := render(q.SQL, q.Arguments)
		if err != nil {
			return nil, driver.Permanent(err)
		}
		texts = append(texts, text)
	}
	switch {
	case ends:
		texts = append(texts, last)
	case !l.open && first != "BEGIN":
		texts = append(texts, "COMMIT")
	}
	results, err := s.exchange(ctx, strings.Join(texts, ";\n"))
	if err != nil {
		return nil, err
	}
	l.open = (l.open || first == "BEGIN") && !ends
	return align(queries, results[min(head, len(results)):])
}

func control(sql string) bool { return sql == "BEGIN" || sql == "COMMIT" || sql == "ROLLBACK" }

// align gives each query its result. One that has no columns is alone.
func align(queries []*pgx.QueuedQuery, results []*result) ([]*result, error) {
	all := make([]*result, len(queries))
	for i, q := range queries {
		switch {
		case control(q.SQL):
			all[i] = &result{}
		case len(results) > 0:
			all[i], results = results[0], results[1:]
		case len(queries) == 1:
			all[i] = &result{}
		default:
			return nil, errNoRows
		}
	}
	return all, nil
}

// exchange sends a text. After an error no transaction is open.
func (s *session) exchange(ctx context.Context, text string) ([]*result, error) {
	l := s.lent
	results, err := l.wire.exchange(ctx, text)
	if err == nil {
		return results, nil
	}
	l.open = false
	switch {
	case l.wire.closed():
	case hasCode(err, codeDivision):
		l.wire.discard()
		return nil, errMoved
	default:
		// Whether it failed in the transaction or before, none is open afterwards.
		if _, undo := l.wire.exchange(ctx, "ROLLBACK"); undo != nil {
			l.wire.discard()
			return nil, errors.Join(err, undo)
		}
	}
	if hasCode(err, codeState) {
		err = fmt.Errorf("%w: %w", errReadOnly, err)
	}
	return nil, err
}

// pgxWire is a connection of pgx's.
type pgxWire struct{ s *session }

func (w pgxWire) closed() bool { return w.s.Conn.IsClosed() }
func (w pgxWire) discard() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	_ = w.s.raw.Close()
	_ = w.s.Conn.Close(ctx) // so that it knows
}

func (w pgxWire) exchange(ctx context.Context, text string) (results []*result, err error) {
	answers := w.s.Conn.PgConn().Exec(ctx, text)
	for err == nil && answers.NextResult() {
		var r *result
		// ReadAll would not tell a statement that returns no row from one that has no result.
		if r, err = w.read(answers.ResultReader()); len(r.fields) > 0 {
			results = append(results, r)
		}
	}
	if err := cmp.Or(answers.Close(), err); err != nil {
		return nil, err
	}
	return results, nil
}

func (w pgxWire) read(reader *pgconn.ResultReader) (*result, error) {
	r := &result{types: w.s.lent.types, fields: slices.Clone(reader.FieldDescriptions())}
	for reader.NextRow() {
		row := slices.Clone(reader.Values())
		for i, value := range row {
			row[i] = bytes.Clone(value) // it is the driver's
		}
		if err := r.add(row); err != nil {
			return r, err
		}
	}
	r.finish()
	return r, nil // the server's error comes with the end of all results
}
