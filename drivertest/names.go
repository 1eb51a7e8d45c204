package drivertest

import (
	"slices"
	"strings"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testNames(t *testing.T, h Harness) {
	cases{
		{"Hazard38_NamesThatNearlyEqual", namesNearlyEqual},
		{"Hazard40_NamesOfEveryShape", namesOfEveryShape},
		{"NamesAreNeverCode", namesAreNeverCode},
	}.parallel(t, h)
}

// namesNearlyEqual: names that some collation, normal form or trimming would
// merge are different locks.
func namesNearlyEqual(w *world) {
	w.wantDistinct(
		"a", "A", "a ", " a", "a\t", "a\n", "a\r\n", "a\u00a0", "a\u200b",
		"caf\u00e9", "cafe\u0301", "cafe", "CAF\u00c9", // composed, decomposed, bare, capital
		"stra\u00dfe", "strasse", "STRASSE",
		"\u0130", "\u0131", "i", "I", // Turkish
		"\ufb01", "fi", // ligature
		"\uff21", // full width
		"1", "01", "1.0", "\u0661",
		"\u212b", "\u00c5", // canonically equivalent, one letter each
		"\ufeffa", // byte order mark
	)
}

func namesOfEveryShape(w *world) {
	long := strings.Repeat("x", 1023)
	w.wantDistinct(
		"x", long+"y", long+"z", long, "y"+long,
		strings.Repeat("\u00e9", 512), strings.Repeat("\U0001f600", 256), strings.Repeat(" ", 1024),
		"\U0001f511", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\u0001", "\u007f", "\n", "\r", "\t", " ",
		"\U0010ffff", "\ufffd", "\ufffe", "line\nline", "tab\there", "null", "NULL", "true",
	)
}

func namesAreNeverCode(w *world) {
	w.wantDistinct(
		"'", "''", "\"", "\"\"", "`", "\\", "\\\\", "\\'", "\\x41", "\\n", "$1", "$$", "?", "?1", ":a", "@a", "%s", "%", "_",
		"{", "}", "{a,b}", "(a,b)", "[1]", ",", ";", "--", "/*", "*/", "a'; drop table lock; --", "a\"; select 1; --",
		"../../x", "/", "a/b", "a\\b", "a:b", "a|b", "{\"name\":1}", "<a>", "&amp;", "${x}", "$(x)", "E'\\x00'", "U&'\\0041'",
	)
}

// wantDistinct holds, reads, lists and releases every name, each by an attempt
// of its own.
func (w *world) wantDistinct(names ...string) {
	w.Helper()
	c := w.client()
	held := map[string]driver.Attempt{}
	for _, name := range names {
		if _, ok := held[name]; ok {
			w.Fatalf("the test names %q twice", name)
		}
		a := c.attempt(name)
		if reply := c.acquire(a, true); !reply.Lock.HeldBy(a.Place()) {
			w.Fatalf("%q was taken for another name: %+v", name, reply.Lock)
		}
		held[name] = a
	}
	sorted := slices.Sorted(slices.Values(names))
	if got := w.walk("", 7); !slices.Equal(got, sorted) {
		w.Errorf("listed %q, want %q", got, sorted)
	}
	if got := sortedNames(w.read(driver.Query{Names: names})); !slices.Equal(got, sorted) {
		w.Errorf("read %q, want %q", got, sorted)
	}
	for _, name := range names {
		w.wantRow(name, held[name])
		if got := w.read(driver.Query{Prefix: name, Limit: 1}); !slices.Equal(namesOf(got), []string{name}) {
			w.Errorf("the first name with prefix %q is %q", name, namesOf(got))
		}
		c.release(held[name], driver.Released)
		w.wantRow(name, nobody)
	}
}
