package postgres

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/machine"
)

// batchModel is what the rows should be, after batches made one after the other.
type batchModel struct {
	*testing.T
	rand     *rand.Rand
	names    []string
	clients  []*client
	attempts []driver.Attempt // there ever were, the latest last
	locks    map[string]*driver.Lock
	rows     map[string]driver.Lock // as they were after the batch before
}

// Batches do to the rows, and say of them, what package machine does: rows that nobody
// has made, rows in use in every mode, calls that are repeated and that come late.
func TestBatchesEqualTheMachine(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	store := New(testPool(t), Config{Schema: testSchema(t)})
	m := &batchModel{
		T: t, rand: rand.New(rand.NewPCG(seed, 0)),
		clients: []*client{newClient(t, store), newClient(t, store), newClient(t, store)},
		locks:   map[string]*driver.Lock{},
	}
	for start := time.Now(); time.Since(start) < 3*time.Second && !t.Failed(); {
		if len(m.names) < 40 && m.rand.IntN(4) == 0 {
			m.names = append(m.names, fmt.Sprint("name ", m.rand.IntN(1000)))
			m.names = slices.Compact(slices.Sorted(slices.Values(m.names)))
			continue
		}
		m.step()
	}
	t.Logf("%d names, %d attempts", len(m.locks), len(m.attempts))
}

// step makes one batch, and compares.
func (m *batchModel) step() {
	c := m.clients[m.rand.IntN(len(m.clients))]
	var calls []*call
	for _, i := range m.rand.Perm(len(m.names)) {
		if m.rand.IntN(2) == 0 {
			calls = append(calls, m.someCall(c, m.names[i]))
		}
	}
	if len(calls) == 0 {
		return
	}
	if r := calls[0]; m.rand.IntN(4) == 0 && !r.release {
		r.Terms = []driver.Terms{{Mode: driver.Shared}, {Mode: driver.Permit, Limit: 2}}[m.rand.IntN(2)]
		calls = calls[:1] // not plain: never with others
	}
	c.batch(calls...)
	for _, r := range calls {
		m.compare(r)
	}
	m.compareRows(c)
}

// someCall returns a call of c's: a new attempt, or one that there was before.
func (m *batchModel) someCall(c *client, name string) *call {
	var old []driver.Attempt
	for _, a := range m.attempts {
		if a.Name == name && a.Lease == c.lease.ID && a.Terms == (driver.Terms{}) {
			old = append(old, a)
		}
	}
	if n := len(old); n > 0 && m.rand.IntN(3) > 0 {
		a := old[max(n-1-m.rand.IntN(3), 0)]
		r := acquisition(a, true)
		r.release = m.rand.IntN(4) > 0
		return r
	}
	return acquisition(c.attempt(name), m.rand.IntN(2) == 0)
}

// compare makes the call of the model's row, and compares the results.
func (m *batchModel) compare(r *call) {
	m.Helper()
	l := m.locks[r.Name]
	if l == nil {
		l = &driver.Lock{Name: r.Name}
		m.locks[r.Name] = l
	}
	if r.release {
		outcome, _ := machine.Release(l, r.Place(), time.Now())
		if r.err != nil || r.outcome != outcome {
			m.Errorf("Release of %q: %d, %v; want %d", r.Name, r.outcome, r.err, outcome)
		}
		return
	}
	m.attempts = append(m.attempts, r.Attempt)
	_, err := machine.Acquire(l, r.Attempt, r.wait, time.Now())
	_, got := asType[*driver.ModeError](r.err)
	switch {
	case (err != nil) != got || r.err != nil && !got:
		m.Errorf("Acquire of %q: %v, want %v", r.Name, r.err, err)
	case err == nil && !sameRow(&r.reply.Lock, l):
		m.Errorf("Acquire of %q: %+v\nwant %+v", r.Name, r.reply.Lock, *l)
	}
}

// compareRows compares all rows, by the reading of one client.
func (m *batchModel) compareRows(c *client) {
	m.Helper()
	view, err := c.Read(m.Context(), driver.Query{Limit: 1000})
	if err != nil {
		m.Fatal(err)
	}
	before := m.rows
	m.rows = map[string]driver.Lock{}
	for _, row := range view.Locks {
		m.rows[row.Name] = row
	}
	for name, want := range m.locks {
		row, last := m.rows[name], before[name]
		if !sameRow(&row, want) {
			m.Errorf("row %+v\nwant %+v", row, *want)
		}
		if grants := newGrants(&last, &row); row.Fence < last.Fence || len(grants) > 0 && row.Fence <= last.Fence {
			m.Errorf("the fence of %q is %d, was %d, with new grants %v", name, row.Fence, last.Fence, grants)
		}
	}
}

// sameRow reports whether the same attempts hold and wait, under the same terms.
func sameRow(a, b *driver.Lock) bool {
	return a.Holder == b.Holder && a.Limit == b.Limit && slices.Equal(a.Queue, b.Queue) &&
		slices.EqualFunc(a.Members, b.Members, func(a, b driver.Grant) bool { return a.Place == b.Place })
}

// One call that is in use in another way is refused in a batch, alone, and nobody else is.
func TestModesInABatch(t *testing.T) {
	t.Parallel()
	store := New(testPool(t), Config{Schema: testSchema(t)})
	c, other := newClient(t, store), newClient(t, store)
	shared, permits := other.trying("shared"), other.trying("permits")
	shared.Terms = driver.Terms{Mode: driver.Shared}
	permits.Terms = driver.Terms{Mode: driver.Permit, Limit: 3}
	other.batch(shared)
	other.batch(permits)
	other.wantHeld(shared, permits)

	for _, alone := range []bool{true, false} {
		t.Run(fmt.Sprint("Alone=", alone), func(t *testing.T) {
			tried, queued, refused := c.trying("shared"), c.queueing("shared"), c.trying("permits")
			free := c.trying(fmt.Sprint("free ", alone))
			if alone {
				for _, r := range []*call{tried, queued, refused, free} {
					c.batch(r)
				}
			} else {
				c.batch(tried, refused, free)
				c.batch(c.trying(fmt.Sprint("another ", alone)), queued)
			}
			if tried.err != nil || tried.reply.Lock.Held() == tried.reply.Lock.HeldBy(tried.Place()) {
				t.Errorf("a try of what is shared: %+v, %v", tried.reply.Lock, tried.err)
			}
			if queued.err != nil || queued.reply.Lock.Ahead(queued.Place()) != 0 {
				t.Errorf("waiting for what is shared: %+v, %v", queued.reply.Lock, queued.err)
			}
			if mode, ok := asType[*driver.ModeError](refused.err); !ok || mode.Limit != 3 || !driver.IsPermanent(refused.err) {
				t.Errorf("a lock where there are permits: %v", refused.err)
			}
			c.wantHeld(free)
			if got := c.release(queued.Attempt); got != driver.Cancelled {
				t.Errorf("outcome %d", got)
			}
		})
	}
}

// A call with terms of its own keeps them, whatever is known of the name's row: it is
// not made as a plain one.
func TestTermsOfANameThatWasLocked(t *testing.T) {
	t.Parallel()
	pool, schema := testPool(t), testSchema(t)
	c := newClient(t, New(pool, Config{Schema: schema}))
	c.release(c.hold("a").Attempt)
	tx, err := pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM `+schema+`.lock FOR UPDATE`); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Acquire(t.Context(), c.attempt("a"), true); err == nil {
		t.Fatal("the row was not locked")
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := c.attempt("a")
	a.Terms.MinHold = time.Hour
	reply, err := c.Acquire(t.Context(), a, false)
	if err != nil || !reply.Lock.HeldBy(a.Place()) || reply.Lock.KeptUntil.IsZero() {
		t.Fatalf("%+v, %v", reply.Lock, err)
	}
	if got := c.release(a); got != driver.Released {
		t.Errorf("outcome %d", got)
	}
	if reply, err := c.Acquire(t.Context(), c.attempt("a"), false); err == nil && reply.Lock.Held() {
		t.Errorf("granted within the minimum hold: %+v", reply.Lock)
	} else if _, mode := asType[*driver.ModeError](err); err != nil && !mode {
		t.Error(errors.Unwrap(err))
	}
}
