package sqlite

import (
	"slices"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// names are pairwise different, though a database may think otherwise.
var names = []string{
	"a", "A", "a ", " a", "a\t", "a%", "a_", "á", "a\u0301", "ß", "ss", "ｓｓ", "İ", "i",
	"1", "01", "1.0", "0x61", "null", "'; DROP TABLE leasehold_lock; --", "a\x00b", "\xff", "\xff\xff", "\xfe",
	strings.Repeat("n", 1024), strings.Repeat("n", 1023),
}

// TestHazard38_NamesAreBytes also pages through them, in byte order.
func TestHazard38_NamesAreBytes(t *testing.T) {
	c := newClient(t, tempStore(t))
	for _, name := range names {
		c.hold(name)
	}
	want := slices.Sorted(slices.Values(names))
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		view, err := c.Read(t.Context(), driver.Query{After: after, Limit: 5})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range view.Locks {
			got = append(got, l.Name)
		}
		if len(view.Locks) < 5 {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("names %q, want %q", got, want)
	}
	for prefix, n := range map[string]int{"a": 7, "\xff": 2, "\xfe": 1, "n": 3, "A": 1, "zz": 0} {
		view, err := c.Read(t.Context(), driver.Query{Prefix: prefix, Limit: 100})
		if err != nil || len(view.Locks) != n {
			t.Errorf("%d names start with %q, want %d (%v)", len(view.Locks), prefix, n, err)
		}
	}
}

// TestHazard40_ImpossibleNames: the database itself refuses them.
func TestHazard40_ImpossibleNames(t *testing.T) {
	c := newClient(t, tempStore(t))
	for _, name := range []string{"", strings.Repeat("n", 1025)} {
		_, err := c.Acquire(t.Context(), c.attempt(name), true)
		if !driver.IsPermanent(err) {
			t.Errorf("a name of %d bytes: %v, want a permanent error", len(name), err)
		}
	}
	if view, err := c.Read(t.Context(), driver.Query{Limit: 10}); err != nil || len(view.Locks) != 0 {
		t.Errorf("rows %v, %v", view.Locks, err)
	}
}
