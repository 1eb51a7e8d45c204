package mysql

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/leaseholdgo/leasehold/driver"
)

// Values are written into the statements as hexadecimal literals. They are bytes on
// every server, whatever its settings for quotes, backslashes and character sets, and
// nothing in them can be taken for SQL. So every statement is one round trip, and
// several can be sent together.

// bytesSQL returns a literal of the bytes.
func bytesSQL[T ~string | ~[]byte](b T) string { return "x'" + hex.EncodeToString([]byte(b)) + "'" }

// idSQL returns a literal of the id.
func idSQL(id driver.ID) string { return "x'" + hex.EncodeToString(id[:]) + "'" }

// optional returns a literal, or NULL for no bytes.
func optional(b []byte) string {
	if b == nil {
		return "NULL"
	}
	return bytesSQL(b)
}

func number[T ~int | ~int64 | ~uint64](n T) string {
	if n < 0 {
		return strconv.FormatInt(int64(n), 10)
	}
	return strconv.FormatUint(uint64(n), 10)
}

func boolean(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// listSQL returns the literals of all, separated by commas.
func listSQL[T any](all []T, literal func(T) string) string {
	var text strings.Builder
	for i, v := range all {
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString(literal(v))
	}
	return text.String()
}

// clockSQL is the server's clock, in microseconds since 1970, when the statement began.
const clockSQL = `TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(6))`
