package mysql

import (
	"encoding/hex"
	"hash/fnv"
	"time"
)

func msec(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

// short returns a few digits that stand for the text.
func short(text string) string {
	h := fnv.New128a()
	h.Write([]byte(text)) // it does not fail
	return hex.EncodeToString(h.Sum(nil))
}
