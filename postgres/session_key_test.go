package postgres

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

// The key is what its documentation says, for names of every shape.
func TestHazard38_SessionKeysAreOfBytes(t *testing.T) {
	t.Parallel()
	pool := testPool(t)
	const sql = `SELECT ('x' || left(encode(sha256(convert_to($1, 'UTF8') || '\x00' || convert_to($2, 'UTF8')), 'hex'), 16))::bit(64)::bigint`
	seen := map[int64]string{}
	for _, name := range []string{"a", "A", "a ", " a", "caf\u00e9", "cafe\u0301", "x'y\"z", "日本", "pg_advisory_lock:", "pg_advisory_lock:+1", "pg_advisory_lock:01"} {
		key := SessionKey("", name)
		if want := value[int64](t, pool, sql, DefaultNamespace, name); key != want {
			t.Errorf("%q: key %d, in SQL %d", name, key, want)
		}
		if other, ok := seen[key]; ok {
			t.Errorf("%q and %q have one key", name, other)
		}
		seen[key] = name
		if SessionKey("other", name) == key {
			t.Errorf("%q has one key in two namespaces", name)
		}
	}
}

// testKeys numbers keys that nobody else uses.
var testKeys atomic.Int64

// A name that stands for a key shares it with other users of advisory locks, in every
// namespace.
func TestSessionKeyOfOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	c := s.Client()
	for _, key := range []int64{0, -1, 1 << 62, -1 << 63, 40_000_000_000 + testKeys.Add(1)} {
		if got := SessionKey(s.cfg.Namespace, Key(key)); got != key {
			t.Fatalf("Key(%d) is %d", key, got)
		}
	}
	key := -int64(40_000_000_000 + testKeys.Add(1))
	try := func() bool {
		return value[bool](t, s.pool, `SELECT pg_try_advisory_xact_lock($1)`, key)
	}
	lock := s.Acquire(c, Key(key))
	if try() {
		t.Error("another user was let in beside us")
	}
	s.Release(lock)
	if !try() {
		t.Error("still taken after the release")
	}
	conn, err := s.pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_lock($1)`, key); err != nil {
		t.Fatal(err)
	}
	held := s.Refused(c, Key(key))
	if held.Holder.Owner == "" {
		t.Errorf("the holder is not named: %v", held)
	}
	got := s.Waits(c, Key(key))
	if _, err := conn.Exec(t.Context(), `SELECT pg_advisory_unlock($1)`, key); err != nil {
		t.Fatal(err)
	}
	s.Release(s.Within(sessiontest.Prompt, "after another user", got))
}

// Two names in use with one key would be let in together by the server, which sees one
// session: the second is refused. When the first is not in use any more, it is not.
func TestHazard39_CollidingNamesAreRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	store := NewSession(s.pool, s.cfg)
	c, other := s.ClientOf(store, testTTL), s.ClientOf(store, testTTL)
	twin := Key(SessionKey(s.cfg.Namespace, "a"))
	lock := s.Acquire(c, "a")
	for _, client := range []*leasehold.Client{c, other} {
		_, err := client.Acquire(t.Context(), twin)
		if !errors.Is(err, ErrKeyInUse) || !driver.IsPermanent(err) {
			t.Errorf("a name with the same key: %v", err)
		}
	}
	// In another process the two names exclude each other: nothing is held twice.
	s.Refused(s.Client(), twin)
	s.Release(lock)
	lock = s.Acquire(other, twin)
	if _, err := c.TryAcquire(t.Context(), "a"); !errors.Is(err, ErrKeyInUse) {
		t.Errorf("a name with the same key: %v", err)
	}
	s.Release(lock)
}
