package crowd

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

// some returns a row that is not plain.
func some(r *rand.Rand, now time.Time) driver.Lock {
	place := func() driver.Place { return driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()} }
	l := driver.Lock{Name: "a", Fence: 1000, Limit: r.IntN(2) * 5, KeepData: r.IntN(2) == 0}
	for i := range r.IntN(4) {
		g := driver.Grant{Place: place(), Fence: uint64(i + 1), Since: now.Add(-time.Second), Age: time.Second}
		if r.IntN(2) == 0 {
			g.Mark = &driver.Mark{By: "ann \"x\"", Reason: "é", At: now.Add(-time.Minute), Age: time.Minute}
		}
		l.Members = append(l.Members, g)
	}
	for range r.IntN(4) {
		w := driver.Waiter{Place: place()}
		switch {
		case l.Limit > 0:
			w.Terms = driver.Terms{Mode: driver.Permit, Limit: l.Limit}
		case r.IntN(2) == 0:
			w.Terms.Mode = driver.Shared
		default:
			w.Terms.MinHold = time.Duration(r.IntN(3)) * time.Hour
		}
		l.Queue = append(l.Queue, w)
	}
	if !l.Held() {
		l.KeptUntil = now.Add(time.Hour)
	}
	return l
}

func dashed(id driver.ID) string { return fmt.Sprintf("%x-%x", id[:4], id[4:]) }

// Whatever is written is read from it again, in every form.
func TestReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	now := time.Now().Truncate(time.Microsecond).Local().Round(0)
	for i := range 2000 {
		want := some(r, now)
		text := Text{Apart: i%2 == 0}
		if i%3 == 0 {
			text.ID = dashed
		}
		got := driver.Lock{Name: want.Name, Fence: want.Fence}
		if text.Apart {
			got.KeptUntil, got.KeepData = want.KeptUntil, want.KeepData
		}
		for _, w := range want.Queue {
			got.Queue = append(got.Queue, driver.Waiter{Place: w.Place})
		}
		if column := text.Encode(&want); column != nil {
			if damage := Decode(&got, column, now); damage != "" {
				t.Fatalf("%s: damaged (%s)", column, damage)
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("read    %+v\nwritten %+v", got, want)
		}
	}
}

func TestDamage(t *testing.T) {
	t.Parallel()
	const (
		first  = `{"lease":"00000000000000000000000000000001","ticket":"00000000000000000000000000000002","fence":5,"since":1}`
		second = `{"lease":"00000000000000000000000000000001","ticket":"00000000000000000000000000000003","fence":6,"since":1}`
		above  = `{"lease":"00000000000000000000000000000001","ticket":"00000000000000000000000000000003","fence":99,"since":1}`
		nobody = `{"lease":"00000000000000000000000000000001","ticket":"00000000000000000000000000000000","fence":5,"since":1}`
	)
	for text, want := range map[string]string{
		`{`:                           "the crowd",
		`[7]`:                         "the crowd",
		`{"members":[{"lease":"1"}]}`: "the crowd",
		`{"members":[` + second + `,` + first + `]}`:           "the members",
		`{"members":[` + above + `]}`:                          "the members",
		`{"members":[` + nobody + `]}`:                         "the members",
		`{"limit":1,"members":[` + first + `,` + second + `]}`: "the limit",
		`{"limit":-1}`:                   "the limit",
		`{"limit":10001}`:                "the limit",
		`{"terms":[{"mode":1}]}`:         "the terms",
		`{"terms":[{"mode":7},{}]}`:      "the terms",
		`{"terms":[{"min_hold":-1},{}]}`: "the terms",
		`{"limit":3}`:                    "the terms",
	} {
		l := driver.Lock{Name: "a", Fence: 10}
		for range 2 {
			l.Queue = append(l.Queue, driver.Waiter{Place: driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()}})
		}
		if got := Decode(&l, []byte(text), time.Now()); got != want {
			t.Errorf("%s: damage %q, want %q", text, got, want)
		}
	}
	l := driver.Lock{Name: "a", Fence: 10, Holder: driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()}}
	if got := Decode(&l, []byte(`{"members":[`+first+`]}`), time.Now()); got != "the members" {
		t.Errorf("members beside a holder: damage %q", got)
	}
}
