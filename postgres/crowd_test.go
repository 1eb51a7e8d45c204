package postgres

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// someLock returns a row that is not plain, as package machine makes them.
func someLock(r *rand.Rand, now time.Time) driver.Lock {
	instant := func() time.Time { return now.Add(-time.Duration(r.Int64N(1e9)) * time.Microsecond).UTC() }
	place := func() driver.Place { return driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()} }
	l := driver.Lock{Name: "a", Fence: 1000 + r.Uint64N(1e15)}
	mode := driver.Shared
	if r.IntN(2) == 0 {
		l.Limit, mode = 3+r.IntN(100), driver.Permit
	}
	for i := range r.IntN(4) {
		g := driver.Grant{Place: place(), Fence: l.Fence - 900 + uint64(i)*200 + r.Uint64N(200), Since: instant()}
		if r.IntN(3) == 0 {
			g.Mark = &driver.Mark{By: "o \"p\" \\", Reason: "why\u2028\x01é<&>", At: instant()}
		}
		l.Members = append(l.Members, g)
	}
	for range r.IntN(5) {
		w := driver.Waiter{Place: place(), Terms: driver.Terms{Mode: mode, Limit: l.Limit}}
		if l.Limit == 0 && r.IntN(2) == 0 {
			w.Terms = driver.Terms{MinHold: time.Duration(r.Int64N(1e9)) * time.Millisecond}
		}
		l.Queue = append(l.Queue, w)
	}
	if r.IntN(2) == 0 {
		l.KeptUntil = instant()
	}
	if r.IntN(2) == 0 {
		l.Data, l.KeepData = []byte{0, 1, 255}, r.IntN(2) == 0
	}
	return l
}

// Whatever is written into the column is read from it again.
func TestCrowdIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	now := time.Now().Truncate(time.Microsecond).UTC()
	for range 2000 {
		want := someLock(r, now)
		column, err := crowdOf(&want)
		if err != nil {
			t.Fatal(err)
		}
		if want.Plain() {
			if column != nil {
				t.Fatalf("a plain row has the crowd %s", column)
			}
			continue
		}
		got := driver.Lock{Name: want.Name, Fence: want.Fence, Data: want.Data}
		for _, w := range want.Queue {
			got.Queue = append(got.Queue, driver.Waiter{Place: w.Place})
		}
		if damage := crowdInto(&got, column, now); damage != "" {
			t.Fatalf("%s: damaged (%s)", column, damage)
		}
		for i, g := range got.Members { // ages are of the read
			if g.Age != now.Sub(g.Since) || g.Mark != nil && g.Mark.Age != now.Sub(g.Mark.At) {
				t.Fatalf("member %+v at %v", g, now)
			}
			got.Members[i].Age = 0
			if g.Mark != nil {
				got.Members[i].Mark.Age = 0
			}
		}
		got.Kept = 0
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%s:\nread    %+v\nwritten %+v", column, got, want)
		}
	}
}

// A column that breaks an invariant is reported as damaged, with what is wrong; it is
// never read as if it were less than it is.
func TestDamagedCrowd(t *testing.T) {
	t.Parallel()
	const (
		member   = `{"lease": "00000000-0000-0000-0000-000000000001", "ticket": "00000000-0000-0000-0000-000000000002", "fence": 5, "since": 1}`
		another  = `{"lease": "00000000-0000-0000-0000-000000000001", "ticket": "00000000-0000-0000-0000-000000000003", "fence": 6, "since": 1}`
		queued   = `00000000000000000000000000000009`
		nobody   = `{"lease": "00000000-0000-0000-0000-000000000001", "ticket": "00000000-0000-0000-0000-000000000000", "fence": 5, "since": 1}`
		unfenced = `{"lease": "00000000-0000-0000-0000-000000000001", "ticket": "00000000-0000-0000-0000-000000000002", "since": 1}`
		above    = `{"lease": "00000000-0000-0000-0000-000000000001", "ticket": "00000000-0000-0000-0000-000000000002", "fence": 101, "since": 1}`
		short    = `{"lease": "00000000", "ticket": "00000000-0000-0000-0000-000000000002", "fence": 5, "since": 1}`
		waiter   = `{"lease": "00000000-0000-0000-0000-000000000001", "ticket": "00000000-0000-0000-0000-000000000009", "fence": 5, "since": 1}`
	)
	for _, test := range []struct {
		name, column string
		held         bool // alone
		queue        int
		want         string
	}{
		{"NotJSON", `{`, false, 0, "the crowd"},
		{"Array", `[7]`, false, 0, "the crowd"},
		{"Number", `7`, false, 0, "the crowd"},
		{"MembersOfAnotherShape", `{"members": 7}`, false, 0, "the crowd"},
		{"LimitOfAnotherShape", `{"limit": "3"}`, false, 0, "the crowd"},
		{"LimitWithAFraction", `{"limit": 1.5}`, false, 0, "the crowd"},
		{"LimitTooLarge", `{"limit": 1e30}`, false, 0, "the crowd"},
		{"LeaseTooShort", `{"members": [` + short + `]}`, false, 0, "the crowd"},
		{"BesideAHolder", `{"members": [` + member + `]}`, true, 0, "the members"},
		{"MoreThanTheLimit", `{"limit": 1, "members": [` + member + `,` + another + `]}`, false, 0, "the limit"},
		{"NegativeLimit", `{"limit": -1}`, false, 0, "the limit"},
		{"LimitAboveTheLargest", `{"limit": 10001}`, false, 0, "the limit"},
		{"TermsOfNobody", `{"terms": [{"mode": 1}]}`, false, 0, "the terms"},
		{"TermsTooMany", `{"members": [` + member + `], "terms": [{}, {}]}`, false, 1, "the terms"},
		{"TermsOfAnUnknownMode", `{"members": [` + member + `], "terms": [{"mode": 9}]}`, false, 1, "the terms"},
		{"TermsWithoutALimit", `{"limit": 2, "members": [` + member + `], "terms": [{"mode": 1}]}`, false, 1, "the terms"},
		{"MinHoldBelowZero", `{"members": [` + member + `], "terms": [{"min_hold": -1}]}`, false, 1, "the terms"},
		{"MemberWithoutATicket", `{"members": [` + nobody + `]}`, false, 0, "the members"},
		{"MemberWithoutAFence", `{"members": [` + unfenced + `]}`, false, 0, "the members"},
		{"MemberAboveTheFence", `{"members": [` + above + `]}`, false, 0, "the members"},
		{"MemberTwice", `{"members": [` + member + `,` + member + `]}`, false, 0, "the members"},
		{"MemberThatWaits", `{"members": [` + waiter + `], "terms": [{}]}`, false, 1, "an attempt occurs twice"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := driver.Lock{Name: "a", Fence: 100}
			if test.held {
				l.Holder = driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()}
			}
			id, err := driver.ParseID(queued)
			if err != nil {
				t.Fatal(err)
			}
			for range test.queue {
				l.Queue = append(l.Queue, driver.Waiter{Place: driver.Place{Lease: driver.NewID(), Ticket: id}})
			}
			if got := crowdInto(&l, []byte(test.column), time.Now()); got != test.want {
				t.Errorf("damage %q, want %q", got, test.want)
			}
		})
	}
}

// A damaged crowd in the table is reported with the name of the lock by every call that
// needs the row, whatever its shape is, and other names go on.
func TestDamagedCrowdInTheTable(t *testing.T) {
	t.Parallel()
	for name, column := range map[string]string{
		"Array":           `[7]`,
		"Members":         `{"members": 7}`,
		"MemberOfNothing": `{"members": [7]}`,
		"Lease":           `{"members": [{"lease": "x", "ticket": "y"}]}`,
		"LeaseOfANumber":  `{"members": [{"lease": 7}]}`,
		"Limit":           `{"limit": -1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pool, schema := testPool(t), testSchema(t)
			c := newClient(t, New(pool, Config{Schema: schema}))
			c.release(c.hold("a").Attempt)
			execSQL(t, pool, `UPDATE `+schema+`.lock SET crowd = $1`, column)
			ctx, shared := t.Context(), c.attempt("a")
			shared.Terms.Mode = driver.Shared
			calls := map[string]func() error{
				"Read":       func() error { _, err := c.Read(ctx, driver.Query{Names: []string{"a"}}); return err },
				"a page":     func() error { _, err := c.Read(ctx, driver.Query{Limit: 9}); return err },
				"Acquire":    func() error { _, err := c.Acquire(ctx, c.attempt("a"), true); return err },
				"shared":     func() error { _, err := c.Acquire(ctx, shared, true); return err },
				"Release":    func() error { _, err := c.Release(ctx, c.attempt("a")); return err },
				"TakeOver":   func() error { return c.TakeOver(ctx, "a", []driver.ID{driver.NewID()}, 0) },
				"Revoke":     func() error { return c.Revoke(ctx, "a", 1, driver.Mark{By: "x"}) },
				"SetData":    func() error { return c.SetData(ctx, c.attempt("a"), []byte("x"), false) },
				"in a batch": func() error { r := c.queueing("a"); c.batch(r, c.trying("b")); return r.err },
				"out of one": func() error { r := c.releasing(c.attempt("a")); c.batch(r, c.releasing(c.attempt("b"))); return r.err },
			}
			for call, fn := range calls {
				if err := fn(); err == nil || !driver.IsPermanent(err) || !strings.Contains(err.Error(), `"a" is damaged (`) {
					t.Errorf("%s: %v", call, err)
				}
			}
			c.hold("c") // the others go on
		})
	}
}
