package advisory

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
)

// rawPrefix begins the names that stand for a key as it is.
const rawPrefix = "pg_advisory_lock:"

// RawName returns the name that stands for the key itself.
func RawName(key int64) string { return rawPrefix + strconv.FormatInt(key, 10) }

// Key returns the key of a name: the first eight bytes, big-endian, of SHA-256 over
// the namespace, a zero byte and the name, as a signed number; or, for what RawName
// returns, the key that it was given.
func Key(namespace, name string) int64 {
	if digits, ok := strings.CutPrefix(name, rawPrefix); ok {
		if key, err := strconv.ParseInt(digits, 10, 64); err == nil && RawName(key) == name {
			return key
		}
	}
	hash := sha256.New()
	hash.Write([]byte(namespace))
	hash.Write([]byte{0})
	hash.Write([]byte(name))
	return int64(binary.BigEndian.Uint64(hash.Sum(nil)))
}

// text returns the key as package keyed has it: its eight bytes, big-endian.
func text(key int64) string { return string(binary.BigEndian.AppendUint64(nil, uint64(key))) }

// numeric returns the key of a text.
func numeric(text string) (key int64) {
	for i := range len(text) {
		key = key<<8 | int64(text[i])
	}
	return key
}
