package postgres

import (
	"context"
	"database/sql"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
	"github.com/leaseholdgo/leasehold/internal/reply"
)

// sqlWire is a connection of database/sql, with any driver that sends a text without
// arguments to the server as it is, as lib/pq does.
//
// The driver is never told to cancel: lib/pq would go on waiting for the reply, and ask the
// server on another connection to end whatever the process does by then. Instead the
// connection is closed under the call, which no network can keep from returning.
type sqlWire struct {
	conn  *sql.Conn
	raw   sqldriver.Conn
	types *pgtype.Map
	wg    *sync.WaitGroup // of the dialer
	gone  atomic.Bool
	once  sync.Once
	calls sync.WaitGroup // exchanges in progress
}

func (w *sqlWire) closed() bool { return w.gone.Load() }

// discard closes the connection, which ends the exchange in progress, and takes it out of
// the pool.
func (w *sqlWire) discard() {
	w.gone.Store(true)
	w.once.Do(func() {
		w.wg.Go(func() {
			_ = w.raw.Close()
			w.calls.Wait()
			_ = w.conn.Raw(func(any) error { return sqldriver.ErrBadConn })
			_ = w.conn.Close()
		})
	})
}

func (w *sqlWire) exchange(ctx context.Context, text string) ([]*result, error) {
	if w.gone.Load() {
		return nil, sqldriver.ErrBadConn
	}
	if ctx.Err() != nil {
		w.discard()
		return nil, ctxError(ctx)
	}
	w.calls.Add(1)
	results, err := reply.Await(ctx, func() ([]*result, error) {
		defer w.calls.Done()
		return w.send(context.WithoutCancel(ctx), text)
	}, nil)
	if err != nil && !refused(err) {
		w.discard()
	}
	if errors.Is(err, reply.ErrNone) {
		err = ctxError(ctx)
	}
	return results, err
}

// send sends the text and reads all results.
func (w *sqlWire) send(ctx context.Context, text string) (results []*result, err error) {
	rows, err := w.conn.QueryContext(ctx, text)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		r, err := w.read(rows)
		if err != nil {
			return nil, err
		}
		if len(r.fields) > 0 {
			results = append(results, r)
		}
	}
	return results, rows.Err()
}

func (w *sqlWire) read(rows *sql.Rows) (*result, error) {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	r := &result{types: w.types}
	for _, c := range columns {
		field := pgconn.FieldDescription{Name: c.Name()}
		if kind, ok := w.types.TypeForName(strings.ToLower(c.DatabaseTypeName())); ok {
			field.DataTypeOID = kind.OID // else nobody may read its values
		}
		r.fields = append(r.fields, field)
	}
	r.finish()
	for rows.Next() {
		if err := r.scan(rows); err != nil {
			return nil, err
		}
	}
	return r, rows.Err()
}

// scan adds a row as the driver has it: in part decoded, in part as text.
func (r *result) scan(rows *sql.Rows) error {
	values, targets := make([]any, len(r.fields)), make([]any, len(r.fields))
	for i := range values {
		targets[i] = &values[i]
	}
	if err := rows.Scan(targets...); err != nil {
		return err
	}
	row := make([][]byte, len(values))
	for i, v := range values {
		var err error
		switch v, oid := v, r.fields[i].DataTypeOID; v := v.(type) {
		case nil:
		case string:
			row[i], err = r.binary(oid, []byte(v))
		case []byte:
			if row[i] = v; oid != pgtype.ByteaOID {
				row[i], err = r.binary(oid, v)
			}
		default:
			row[i], err = r.encode(oid, v)
		}
		if err != nil {
			return err
		}
	}
	r.rows = append(r.rows, row)
	return nil
}

// errNoTexts is returned for a driver that cannot send several statements at once.
var errNoTexts = errors.New("this driver of database/sql does not send several statements at once: use lib/pq, or pgx's own, or give New a pgxpool.Pool")

// codeSyntax is the SQLSTATE with which a server refuses several statements where it takes one.
const codeSyntax = "42601"

// lend takes a connection of the caller's pool for a session. Those that have ended while
// they were idle there are passed over.
func (d *dialer) lend(ctx context.Context) (*session, error) {
	for left := d.db.Stats().Idle + 1; ; left-- {
		s, err := d.lendOne(ctx)
		if !errors.Is(err, sqldriver.ErrBadConn) || left <= 0 || ctx.Err() != nil {
			return s, err
		}
	}
}

func (d *dialer) lendOne(ctx context.Context) (*session, error) {
	conn, err := d.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot connect: %w", err)
	}
	w := &sqlWire{conn: conn, types: pgtype.NewMap(), wg: &d.wg}
	err = conn.Raw(func(c any) (err error) {
		raw, ok := c.(sqldriver.Conn)
		if !ok {
			err = errNoTexts
		}
		w.raw = raw
		return err
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	s := &session{unsure: new(atomic.Bool), dialled: clock.Now(), lent: &lent{wire: w}}
	if err := d.setUpLent(ctx, s); err != nil {
		w.discard()
		if hasCode(err, codeSyntax) {
			err = driver.Permanent(fmt.Errorf("%w: %w", errNoTexts, err))
		}
		return nil, err
	}
	return s, nil
}
