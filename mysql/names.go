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

// names is a small set of names of which something was found lately. It is emptied when
// it has grown large: it holds hints.
type names map[string]bool

const maxNames = 10_000

// set adds the name, or removes it.
func (n names) set(name string, found bool) {
	if !found {
		delete(n, name)
		return
	}
	if len(n) >= maxNames {
		clear(n)
	}
	n[name] = true
}
