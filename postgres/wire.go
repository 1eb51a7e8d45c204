package postgres

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/leaseholdgo/leasehold/driver"
)

// codeChangedResult is the SQLSTATE for a prepared statement whose tables were altered.
const codeChangedResult = "0A000"

// binaryForm asks for all values in the server's own form.
var binaryForm = []int16{1}

// once runs a statement that returns one row at most, and reports whether it did. Arguments
// and columns are in the server's binary form; read keeps none of the latter. It is
// QueryRow without the conversions, for the statements that are run most.
func (s *session) once(ctx context.Context, sql string, read func(row [][]byte), args ...any) (bool, error) {
	if s.lent != nil {
		c := s.single(ctx, sql, args)
		found := c.Next()
		if found {
			read(c.RawValues())
		}
		return found, c.err
	}
	statement, err := s.Prepare(ctx, sql, sql) // the first time only
	if err != nil {
		return false, err
	}
	result := s.PgConn().ExecStatement(ctx, statement, binaries(args), binaryForm, binaryForm)
	found := result.NextRow()
	if found {
		read(result.Values())
	}
	_, err = result.Close()
	s.forget(ctx, sql, err)
	return found && err == nil, err
}

// forget makes the next call prepare the statement anew, if err says that it has to be.
func (s *session) forget(ctx context.Context, sql string, err error) {
	if hasCode(err, codeChangedResult) {
		_ = s.Deallocate(ctx, sql)
	}
}

// binaries returns arguments as the server has them.
func binaries(args []any) [][]byte {
	values := make([][]byte, len(args))
	for i, arg := range args {
		switch v := arg.(type) {
		case string:
			values[i] = []byte(v)
		case *string:
			values[i] = text(v)
		case driver.ID:
			values[i] = v[:]
		case int64:
			values[i] = bigint(v)
		case bool:
			values[i] = boolean(v)
		case [16]byte:
			values[i] = v[:]
		case []string:
			values[i] = array(pgtype.TextOID, v, func(raw []byte, s string) []byte { return append(raw, s...) })
		case [][16]byte:
			values[i] = array(pgtype.UUIDOID, v, func(raw []byte, id [16]byte) []byte { return append(raw, id[:]...) })
		case []bool:
			values[i] = array(pgtype.BoolOID, v, func(raw []byte, b bool) []byte { return append(raw, boolean(b)...) })
		default:
			panic(fmt.Sprintf("leasehold: an argument of type %T", arg)) // of a statement of ours
		}
	}
	return values
}

// bigint returns a number as the server has it.
func bigint(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }

// boolean returns a truth value as the server has it.
func boolean(b bool) []byte {
	if b {
		return []byte{1}
	}
	return []byte{0}
}

// array returns a list as the server has it; add appends an element.
func array[T any](oid uint32, list []T, add func([]byte, T) []byte) []byte {
	raw := make([]byte, 0, 20+20*len(list))
	for _, n := range []uint32{1, 0, oid, uint32(len(list)), 1} { // dimensions, nulls, type, length, first index
		raw = binary.BigEndian.AppendUint32(raw, n)
	}
	for _, v := range list {
		at := len(raw)
		raw = add(append(raw, 0, 0, 0, 0), v)
		binary.BigEndian.PutUint32(raw[at:], uint32(len(raw)-at-4))
	}
	return raw
}

// text returns a text as the server has it; nil: null.
func text(s *string) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}

// optionalID reads a uuid that may be null.
func optionalID(raw []byte) *[16]byte {
	if raw == nil {
		return nil
	}
	id := [16]byte(raw)
	return &id
}

// number reads a bigint.
func number(raw []byte) uint64 { return binary.BigEndian.Uint64(raw) }

// instant reads a timestamptz: microseconds since the year 2000.
func instant(raw []byte) time.Time {
	const year2000 = 946_684_800_000_000 // in Unix microseconds
	return time.UnixMicro(year2000 + int64(number(raw))).UTC()
}
