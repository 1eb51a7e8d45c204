package postgres

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// result is the complete result of one statement, in the server's binary form, whichever
// form it came in: so what reads rows need not know how they came.
type result struct {
	types  *pgtype.Map
	fields []pgconn.FieldDescription
	rows   [][][]byte
}

// add adds a row of values in the server's text form.
func (r *result) add(row [][]byte) error {
	values := make([][]byte, len(row))
	for i, text := range row {
		var err error
		if values[i], err = r.binary(r.fields[i].DataTypeOID, text); err != nil {
			return err
		}
	}
	r.rows = append(r.rows, values)
	return nil
}

// finish says that the values are in binary form.
func (r *result) finish() {
	for i := range r.fields {
		r.fields[i].Format = pgx.BinaryFormatCode
	}
}

// binary returns a value's binary form.
func (r *result) binary(oid uint32, text []byte) ([]byte, error) {
	if text == nil {
		return nil, nil
	}
	switch oid {
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.NameOID, pgtype.BPCharOID, pgtype.UnknownOID:
		return append([]byte{}, text...), nil
	case pgtype.JSONBOID:
		return append([]byte{1}, text...), nil
	}
	kind, ok := r.types.TypeForOID(oid)
	if !ok {
		return []byte{}, nil // such as void: nobody reads it
	}
	value, err := kind.Codec.DecodeValue(r.types, oid, pgx.TextFormatCode, text)
	if err != nil {
		return nil, err
	}
	return r.encode(oid, value)
}

func (r *result) encode(oid uint32, value any) ([]byte, error) {
	return r.types.Encode(oid, pgx.BinaryFormatCode, value, []byte{})
}

// cursor reads a result as pgx.Rows and pgx.Row do.
type cursor struct {
	*result
	next int
	err  error
}

var _ pgx.Rows = (*cursor)(nil)

func (c *cursor) Close()                                       { c.next = len(c.rows) + 1 }
func (c *cursor) Err() error                                   { return c.err }
func (c *cursor) Conn() *pgx.Conn                              { return nil }
func (c *cursor) TypeMap() *pgtype.Map                         { return c.types }
func (c *cursor) FieldDescriptions() []pgconn.FieldDescription { return c.fields }
func (c *cursor) CommandTag() pgconn.CommandTag                { return c.tag() }
func (c *cursor) RawValues() [][]byte                          { return c.rows[c.next-1] }

func (c *cursor) Next() bool {
	if c.err != nil || c.next >= len(c.rows) {
		c.Close()
		return false
	}
	c.next++
	return true
}

func (c *cursor) Scan(targets ...any) error {
	if c.err == nil {
		c.err = pgx.ScanRow(c.types, c.fields, c.RawValues(), targets...)
	}
	return c.err
}

func (c *cursor) Values() ([]any, error) {
	return nil, errors.New("only Scan and RawValues read these rows")
}

// tag counts the rows: our statements return those that they change.
func (r *result) tag() pgconn.CommandTag {
	return pgconn.NewCommandTag(fmt.Sprintf("SELECT %d", len(r.rows)))
}

// oneRow is the first row of a result.
type oneRow struct{ *cursor }

func (r oneRow) Scan(targets ...any) error {
	if r.err != nil {
		return r.err
	}
	if !r.Next() {
		return pgx.ErrNoRows
	}
	return r.cursor.Scan(targets...)
}

// answers are the results of a batch.
type answers struct {
	queries []*pgx.QueuedQuery
	results []*result
	next    int
	err     error
}

var _ pgx.BatchResults = (*answers)(nil)

func (a *answers) cursor() *cursor {
	if a.err == nil && a.next >= len(a.results) {
		a.err = errNoRows
	}
	if a.err != nil {
		return &cursor{result: &result{}, err: a.err}
	}
	a.next++
	return &cursor{result: a.results[a.next-1]}
}

func (a *answers) Query() (pgx.Rows, error) { c := a.cursor(); return c, c.err }
func (a *answers) QueryRow() pgx.Row        { return oneRow{a.cursor()} }
func (a *answers) Tx() pgx.Tx               { return nil }

func (a *answers) Exec() (pgconn.CommandTag, error) {
	c := a.cursor()
	return c.tag(), c.err
}

// Close runs the functions of the queries that have not been asked for.
func (a *answers) Close() error {
	for a.err == nil && a.next < len(a.results) {
		read := a.queries[a.next].Fn
		if read == nil {
			a.next++
			continue
		}
		a.err = read(a)
	}
	return a.err
}
