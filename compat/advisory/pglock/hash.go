package pglock

import "hash/fnv"

// Hash returns the key of a name: FNV-1a of 64 bits over its bytes, as a signed number. Names that
// differ may have one key; that two of a million do has a probability of 3 in 100 million.
func Hash(s string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return int64(h.Sum64())
}
