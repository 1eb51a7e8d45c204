package drivertest

import (
	"fmt"
	"slices"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func testRead(t *testing.T, h Harness) {
	cases{
		{"Empty", readEmpty},
		{"ByNames", readByNames},
		{"LeasesOfTheRows", readLeases},
		{"ByLease", readByLease},
		{"Pages", readPages},
		{"Prefix", readPrefix},
		{"ManyNames", readManyNames},
	}.parallel(t, h)
}

func readEmpty(w *world) {
	for _, query := range []driver.Query{
		{Names: []string{"a", "b"}},
		{Limit: 10},
		{Prefix: "a", Limit: 1},
		{After: "a", Limit: 10},
	} {
		if view := w.read(query); len(view.Locks) != 0 || len(view.Leases) != 0 {
			w.Errorf("Read(%+v) of an empty store: %+v", query, view)
		}
	}
}

func readByNames(w *world) {
	c := w.client()
	c.hold("a")
	b, fence := c.hold("b")
	c.release(b, driver.Released)
	c.hold("c")
	for _, keepalive := range []bool{false, true} {
		view := w.read(driver.Query{Names: []string{"b", "a", "never"}, Keepalive: keepalive})
		if got := sortedNames(view); !slices.Equal(got, []string{"a", "b"}) {
			w.Errorf("read %q, want a and b", got)
		}
		for _, lock := range view.Locks {
			if lock.Name == "b" && (lock.Held() || lock.Fence != fence) {
				w.Errorf("a released lock reads %+v", lock)
			}
		}
	}
}

func readLeases(w *world) {
	holder, waiter, gone, idle := w.client(), w.client(), w.client(), w.client()
	holder.hold("a")
	waiter.queue("a")
	gone.queue("a")
	idle.hold("b")
	gone.end()
	for _, query := range []driver.Query{{Names: []string{"a"}}, {Prefix: "a", Limit: 5}} {
		view := w.read(query)
		for _, c := range []*client{holder, waiter} {
			if state, ok := view.Leases[c.lease.ID]; !ok || state.Lease != c.lease {
				w.Errorf("Read(%+v) shows the lease %+v as %+v (found %v)", query, c.lease, state.Lease, ok)
			}
		}
		if _, ok := view.Leases[gone.lease.ID]; ok {
			w.Errorf("Read(%+v) shows a lease that has ended", query)
		}
		if len(view.Locks) != 1 || len(view.Locks[0].Queue) != 2 {
			w.Errorf("Read(%+v): %+v; ending a lease touches no row", query, view.Locks)
		}
	}
}

// readByLease: the rows that name a lease, as holder or in the queue, with all the
// leases they name, and no others.
func readByLease(w *world) {
	c, other := w.client(), w.client()
	c.hold("held")
	other.hold("awaited")
	other.queue("held")
	c.queue("awaited")
	other.hold("theirs")
	released, _ := c.hold("released")
	c.release(released, driver.Released)
	view := w.read(driver.Query{Lease: c.lease.ID})
	if got := sortedNames(view); !slices.Equal(got, []string{"awaited", "held"}) {
		w.Errorf("read %q", got)
	}
	if len(view.Leases) != 2 {
		w.Errorf("leases %+v", view.Leases)
	}
	if view := w.read(driver.Query{Lease: driver.NewID()}); len(view.Locks) != 0 {
		w.Errorf("rows that name a lease which never was: %+v", view.Locks)
	}
}

// readPages walks through the table with pages of every size.
func readPages(w *world) {
	c := w.client()
	names := []string{"A", "Z", "a", "a/1", "a0", "b", "z", "ä", "é", "日", "😀"}
	for _, name := range shuffled(names) {
		c.hold(name)
	}
	for limit := 1; limit <= len(names)+1; limit++ {
		if got := w.walk("", limit); !slices.Equal(got, names) {
			w.Errorf("pages of %d: %q, want %q", limit, got, names)
		}
	}
	if view := w.read(driver.Query{After: "😀", Limit: 3}); len(view.Locks) != 0 {
		w.Errorf("after the last name: %q", sortedNames(view))
	}
	view := w.read(driver.Query{After: "a/", Limit: 2})
	if got := namesOf(view); !slices.Equal(got, []string{"a/1", "a0"}) {
		w.Errorf("after a name that has no row: %q", got)
	}
}

func readPrefix(w *world) {
	c := w.client()
	names := []string{
		"a", "a%", "a%b", "a*", "aXb", "a[b", "a\\b", "a_", "a_b", "ab", "abc", "A", "AB",
		"a\u0301", "\u00e1", "a\U0010ffff", "a\U0010ffff!", "b", "job/1", "job/10", "job/2", "Job/1",
	}
	for _, name := range shuffled(names) {
		c.hold(name)
	}
	for _, prefix := range []string{
		"a", "a%", "a_", "a*", "a\\", "a[", "A", "ab", "abcd", "%", "_", "job/", "job/1", "á", "a\U0010ffff", "\u0301",
	} {
		var want []string
		for _, name := range names {
			if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
				want = append(want, name)
			}
		}
		slices.Sort(want)
		for _, limit := range []int{1, 3, 100} {
			if got := w.walk(prefix, limit); !slices.Equal(got, want) {
				w.Errorf("prefix %q in pages of %d: %q, want %q", prefix, limit, got, want)
			}
		}
	}
	if view := w.read(driver.Query{Prefix: "job/", After: "a", Limit: 1}); !slices.Equal(namesOf(view), []string{"job/1"}) {
		w.Errorf("prefix job/ after a: %q", namesOf(view))
	}
	if view := w.read(driver.Query{Prefix: "a", After: "job/1", Limit: 9}); len(view.Locks) != 0 {
		w.Errorf("prefix a after job/1: %q", namesOf(view))
	}
}

// walk reads all names with the prefix, page by page.
func (w *world) walk(prefix string, limit int) []string {
	w.Helper()
	var all []string
	after := ""
	for {
		view := w.read(driver.Query{Prefix: prefix, After: after, Limit: limit})
		if len(view.Locks) > limit {
			w.Fatalf("a page of %d holds %d rows", limit, len(view.Locks))
		}
		if len(view.Locks) == 0 {
			return all
		}
		all = append(all, namesOf(view)...)
		after = all[len(all)-1]
	}
}

func readManyNames(w *world) {
	c := w.client()
	var names, held []string
	for i := range 300 {
		name := fmt.Sprintf("many/%03d", i)
		names = append(names, name)
		if i%10 == 0 {
			c.hold(name)
			held = append(held, name)
		}
	}
	if got := sortedNames(w.read(driver.Query{Names: names})); !slices.Equal(got, held) {
		w.Errorf("read %d rows of %d names, want %d", len(got), len(names), len(held))
	}
}

func namesOf(view driver.View) []string {
	var names []string
	for _, lock := range view.Locks {
		names = append(names, lock.Name)
	}
	return names
}

func sortedNames(view driver.View) []string {
	return slices.Sorted(slices.Values(namesOf(view)))
}

// shuffled returns names in an order that is not theirs.
func shuffled(names []string) []string {
	out := slices.Clone(names)
	slices.Reverse(out)
	for i := 0; i+2 < len(out); i += 3 {
		out[i], out[i+2] = out[i+2], out[i]
	}
	return out
}
