package postgres

import (
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/leaseholdgo/leasehold/driver"
)

// parameter is a parameter, and the type that it is cast to if that is one of lists.
var parameter = regexp.MustCompile(`\$([0-9]+)(::[a-z]+\[\])?`)

// errText is returned for what cannot be part of a text.
var errText = errors.New("a text that is not UTF-8, or holds a zero byte")

// render puts the arguments into the statement in place of $1, $2 and so on. Each becomes
// a literal without a type, of which the server finds the type as it does for a parameter.
func render(sql string, args []any) (string, error) {
	literals := make([]string, len(args))
	for i, arg := range args {
		var err error
		if literals[i], err = literal(arg); err != nil {
			return "", err
		}
	}
	return parameter.ReplaceAllStringFunc(sql, func(found string) string {
		digits, kind, list := strings.Cut(found[1:], "::")
		n, _ := strconv.Atoi(digits) // by the expression
		if list {
			// Seeing a long list, the planner would compare each name in it to each row.
			return "(SELECT " + literals[n-1] + ")::" + kind
		}
		return literals[n-1]
	}), nil
}

// literal returns the value as SQL.
func literal(v any) (string, error) {
	if data, ok := v.([]byte); ok && data != nil { // may be large, and a transaction waits for it
		return `E'\\x` + hex.EncodeToString(data) + `'`, nil
	}
	plain, null, err := plainText(v)
	switch {
	case err != nil:
		return "", err
	case null:
		return "NULL", nil
	case !utf8.ValidString(plain) || strings.ContainsRune(plain, 0):
		return "", errText
	}
	return quote(plain), nil
}

// quote returns the literal of a text. It means the same whatever the server's setting of
// standard_conforming_strings is.
func quote(s string) string {
	s = strings.ReplaceAll(s, `'`, `''`)
	if strings.Contains(s, `\`) {
		return `E'` + strings.ReplaceAll(s, `\`, `\\`) + `'`
	}
	return `'` + s + `'`
}

// plainText returns the value as the server reads it.
func plainText(v any) (text string, null bool, err error) {
	switch v := v.(type) {
	case nil:
		return "", true, nil
	case *string:
		return deref(v)
	case *int64:
		return deref(v)
	case *[16]byte:
		return deref(v)
	case *time.Time:
		return deref(v)
	case []byte:
		return "", v == nil, nil // see literal
	case string:
		return v, false, nil
	case bool:
		return strconv.FormatBool(v), false, nil
	case int:
		return strconv.Itoa(v), false, nil
	case int64:
		return strconv.FormatInt(v, 10), false, nil
	case [16]byte:
		return driver.ID(v).String(), false, nil
	case driver.ID:
		return v.String(), false, nil
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.999999-07:00"), false, nil
	case []string:
		return arrayText(v), false, nil
	case [][16]byte:
		return arrayText(v), false, nil
	case []bool:
		return arrayText(v), false, nil
	}
	return "", false, fmt.Errorf("a value of type %T", v)
}

func deref[T any](v *T) (string, bool, error) {
	if v == nil {
		return "", true, nil
	}
	return plainText(*v)
}

var escapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`)

// arrayText returns an array as the server reads it.
func arrayText[T any](list []T) string {
	elements := make([]string, len(list))
	for i, v := range list {
		text, _, _ := plainText(v) // of texts, ids and truth values, which all can be
		elements[i] = `"` + escapes.Replace(text) + `"`
	}
	return "{" + strings.Join(elements, ",") + "}"
}
