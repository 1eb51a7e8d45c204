package sqlite

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// TestPlainEqualsTheMachine: whatever a row is like, what one statement does to it is what
// package machine does; and it does all that is common.
func TestPlainEqualsTheMachine(t *testing.T) {
	const rounds = 500
	c := newClient(t, tempStore(t))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), lease: c.lease, now: now()}
	done := map[bool]int{} // by whether it was a release
	_, err := inTx(c.writer, func(tx *tx) (none struct{}, err error) {
		tx.now = g.now
		if _, err := tx.renewal(c.lease); err != nil {
			return none, err
		}
		tx.epoch = 1
		for range rounds {
			plain := g.call()
			plain.Name = "plain"
			machine := plain
			machine.Name = "machine"
			row := g.row(plain.Place())
			common := row.Plain() && row.Mark == nil && len(row.Queue) == 0 && (plain.release && row.HeldBy(plain.Place()) ||
				!plain.release && !row.Held() && plain.Terms == driver.Terms{} && plain.Lease == c.lease && row.Fence < uint64(g.now.UnixMicro()))
			for _, name := range []string{"plain", "machine"} {
				row.Name = name
				if err := tx.store(&row); err != nil {
					return none, err
				}
			}
			before := raw(t, tx, "plain")
			made, err := tx.plain(&plain)
			if err != nil || made != common {
				t.Fatalf("%+v on %+v: made %v, %v; want %v", plain, row, made, err, common)
			}
			if !made {
				if after := raw(t, tx, "plain"); !reflect.DeepEqual(after, before) {
					t.Fatalf("%+v was not made, and the row changed:\n%+v\n%+v", plain, before, after)
				}
				continue
			}
			if err := tx.decide(&machine); err != nil {
				t.Fatal(err)
			}
			machine.Name, machine.reply.Lock.Name = plain.Name, plain.reply.Lock.Name
			if !reflect.DeepEqual(plain, machine) || !reflect.DeepEqual(raw(t, tx, "plain"), raw(t, tx, "machine")) {
				t.Fatalf("on %+v:\nplain   %+v\nmachine %+v", row, plain, machine)
			}
			done[plain.release]++
		}
		return none, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if done[true] < rounds/50 || done[false] < rounds/50 {
		t.Errorf("%d releases and %d grants were plain, of %d calls", done[true], done[false], rounds)
	}
}

// raw returns a row as it is stored, but for its name.
func raw(t *testing.T, tx *tx, name string) row {
	t.Helper()
	r, err := tx.load(name)
	if err != nil {
		t.Fatal(err)
	}
	r.name = nil
	return r
}

// generator makes rows and calls, many of them plain ones.
type generator struct {
	*rand.Rand
	lease driver.ID // the one that has a row
	now   time.Time
}

// seldom reports true once in a while.
func (g *generator) seldom() bool { return g.IntN(8) == 0 }

func (g *generator) call() call {
	a := driver.Attempt{Lease: g.lease, Ticket: driver.NewID()}
	if g.seldom() {
		a.Lease = driver.NewID()
	}
	if g.seldom() {
		a.Terms = []driver.Terms{sharedTerms, permitTerms, {MinHold: time.Second}}[g.IntN(3)]
	}
	return call{Attempt: a, release: g.IntN(2) == 0, wait: g.IntN(2) == 0}
}

// row returns a row that keeps the invariants. Often p holds it, or nobody.
func (g *generator) row(p driver.Place) driver.Lock {
	clock := uint64(g.now.UnixMicro())
	l := driver.Lock{Fence: []uint64{1, clock - 5e6, clock - 1, clock, clock + 1, clock + 5e6}[g.IntN(6)]}
	other := driver.Place{Lease: driver.NewID(), Ticket: p.Ticket}
	switch g.IntN(6) {
	case 0, 1:
		l.Holder = p
	case 2:
		l.Holder = other
	case 3:
		l.Members = []driver.Grant{{Place: p, Fence: l.Fence, Since: g.now}}
	}
	if l.Holder.Ticket != (driver.ID{}) {
		l.Since = g.now.Add(-time.Minute)
		if g.seldom() {
			l.Mark = &driver.Mark{By: "op", At: g.now}
		}
	}
	if len(l.Members) == 0 && g.seldom() {
		l.KeptUntil = g.now.Add(time.Duration(g.IntN(3)-1) * time.Second)
	}
	if l.Held() && g.seldom() {
		l.Queue = []driver.Waiter{{Place: driver.Place{Lease: g.lease, Ticket: driver.NewID()}}}
	}
	if g.seldom() {
		l.Data, l.KeepData = []byte("data"), true
	}
	return l
}

// TestUnflushedReleaseIsLost: a crash of the host may undo a release. It leaves the file as
// it was before, and no process: then the lock passes on at once.
func TestUnflushedReleaseIsLost(t *testing.T) {
	c := newClient(t, tempStore(t))
	c.release(c.hold("a").Attempt) // its first grant is not plain
	hold := c.hold("a")
	lost := filepath.Join(t.TempDir(), "locks.db")
	for _, suffix := range []string{"", "-wal"} {
		text, err := os.ReadFile(c.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(lost+suffix, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.release(hold.Attempt)
	after := newClient(t, Open(lost))
	view := after.view("a")
	if dead := view.Leases[c.lease].Liveness; dead != driver.Dead || !view.Locks[0].HeldBy(hold.Place()) {
		t.Fatalf("after the crash %+v holds, who is %v", view.Locks[0].Holder, dead)
	}
	if !after.endLease(c.lease, driver.Grounds{Dead: true}) {
		t.Fatal("the lease cannot be ended")
	}
	if err := after.TakeOver(t.Context(), "a", []driver.ID{c.lease}, 0); err != nil {
		t.Fatal(err)
	}
	if next := after.hold("a"); next.Fence <= hold.Fence {
		t.Errorf("fence %d after %d", next.Fence, hold.Fence)
	}
}

// TestUnflushedEnds: whatever happens in between, the next transaction is flushed.
func TestUnflushedEnds(t *testing.T) {
	c := newClient(t, tempStore(t))
	l := c.writer
	synchronous := func() (n int) {
		if err := l.row(`PRAGMA synchronous`).Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	failure := errors.New("failed")
	for _, f := range []func() error{
		func() error { return nil },
		func() error { return failure },
		func() error { return l.exec(l.begin) }, // in a transaction nothing can be set
	} {
		err := l.unflushed(func() error {
			if n := synchronous(); n != 1 {
				t.Errorf("synchronous=%d, want 1 (NORMAL)", n)
			}
			return f()
		})
		if err != nil && err != failure {
			t.Error(err)
		}
		if n := synchronous(); n != 2 {
			t.Errorf("synchronous=%d afterwards, want 2 (FULL)", n)
		}
		c.release(c.hold("a").Attempt)
	}
}
