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
