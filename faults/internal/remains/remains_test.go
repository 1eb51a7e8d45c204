package remains

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/memory"
)

const ttl = 200 * time.Millisecond

// TestPermitsThatAreLeft: one of three permits that nobody gives back is found, though two
// can be had.
func TestPermitsThatAreLeft(t *testing.T) {
	t.Parallel()
	store := memory.New()
	c := open(t, store)
	if _, err := c.Acquire(t.Context(), "permits", leasehold.Permits(3)); err != nil {
		t.Fatal(err)
	}
	permits := []leasehold.Option{leasehold.Permits(3)}
	for times, want := range map[int][]string{2: nil, 3: {"permits"}} {
		left, err := stuck(t.Context(), store, map[string]Use{"free": {Times: 1}, "permits": {Times: times, Options: permits}}, ttl)
		if err != nil || !slices.Equal(left, want) {
			t.Errorf("%d at once: %v, %v; want %v", times, left, err, want)
		}
	}
	expect(t, store, map[string]string{"permits": "held for"})
}

// TestRowsThatAreKept: a row that nobody holds and that stays taken is found.
func TestRowsThatAreKept(t *testing.T) {
	t.Parallel()
	store := memory.New()
	c := open(t, store)
	for _, name := range []string{"kept", "free"} {
		var options []leasehold.Option
		if name == "kept" {
			options = append(options, leasehold.MinHold(time.Hour))
		}
		lock, err := c.Acquire(t.Context(), name, options...)
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, store, map[string]string{"kept": "held by nobody; kept for"})
}

func open(t *testing.T, store *memory.Store) *leasehold.Client {
	t.Helper()
	c, err := leasehold.Open(t.Context(), store, leasehold.Config{TTL: ttl})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// expect checks which rows are taken, and what is said of them.
func expect(t *testing.T, store *memory.Store, want map[string]string) {
	t.Helper()
	rows, err := taken(t.Context(), store, ttl)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(rows)), slices.Sorted(maps.Keys(want))) {
		t.Errorf("taken: %v", rows)
	}
	for name, text := range want {
		if !strings.Contains(rows[name], text) {
			t.Errorf("%s: %q, want %q", name, rows[name], text)
		}
	}
}
