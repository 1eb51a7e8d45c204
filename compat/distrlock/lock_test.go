package distrlock

import (
	"regexp"
	"testing"
	"time"
)

var ownUUID = regexp.MustCompile(`^1ea5e401-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

func TestTokensAreMarkedUUIDs(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		token := newToken()
		if !ownUUID.MatchString(token) || seen[token] {
			t.Fatalf("%q, or it was drawn before", token)
		}
		seen[token] = true
	}
}

func TestALeaseIsNeverShorterThanAsked(t *testing.T) {
	t.Parallel()
	for _, do := range []*statements{postgresStatements("t"), mysqlStatements("t")} {
		l := DBLock{Key: "k", do: do}
		for _, ttl := range []time.Duration{1, time.Microsecond + 1, time.Second + 1, 1<<63 - 1} {
			c, err := l.call("t", ttl)
			if rest := ttl - time.Duration(c.ttl-1)*time.Duration(do.unit); err != nil || rest <= 0 || rest > time.Duration(do.unit) {
				t.Errorf("a TTL of %d ns is %d units of %d ns: %v", ttl, c.ttl, do.unit, err)
			}
		}
	}
}
