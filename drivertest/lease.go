package drivertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
)

func testConnect(t *testing.T, h Harness) {
	cases{
		{"Capabilities", connectCapabilities},
		{"CapOnTTL", connectCap},
		{"CloseLeavesTheRows", closeLeavesTheRows},
	}.parallel(t, h)
}

func connectCapabilities(w *world) {
	if _, ok := w.reader.(driver.Listener); ok != w.h.Listens {
		w.Errorf("implements driver.Listener: %v; the harness says %v", ok, w.h.Listens)
	}
	if _, ok := w.reader.(driver.Inheritor); ok != w.h.Inherits {
		w.Errorf("implements driver.Inheritor: %v; the harness says %v", ok, w.h.Inherits)
	}
}

func connectCap(w *world) {
	if w.h.MaxTTL == 0 {
		return // nothing stated, nothing to hold it to
	}
	conn, err := w.store.Connect(w.ctx(), driver.Settings{TTL: w.h.MaxTTL})
	if err != nil {
		w.Fatalf("Connect with the greatest TTL: %v", err)
	}
	_ = conn.Close()
	conn, err = w.store.Connect(w.ctx(), driver.Settings{TTL: w.h.MaxTTL + time.Millisecond})
	if err == nil {
		_ = conn.Close()
		w.Fatal("Connect accepted a TTL above the cap")
	}
	var above *driver.TTLError
	if !driver.IsPermanent(err) || !errors.As(err, &above) || above.Cap != w.h.MaxTTL {
		w.Errorf("a TTL above the cap %v gives %v", w.h.MaxTTL, err)
	}
}

func closeLeavesTheRows(w *world) {
	c := w.client()
	a, _ := c.hold("a")
	before := w.row("a")
	if err := c.conn.Close(); err != nil {
		w.Fatalf("Close: %v", err)
	}
	w.wantSame(before)
	if _, ok := w.state("a", c); !ok {
		w.Error("Close ended the lease")
	}
	if _, err := c.conn.Acquire(w.ctx(), a, false); err == nil {
		w.Error("Acquire on a closed Conn succeeded")
	}
	if _, err := c.conn.RenewLease(w.ctx(), c.lease.ID); err == nil {
		w.Error("RenewLease on a closed Conn succeeded")
	}
	w.client().hold("b") // the others go on
}

func testLease(t *testing.T, h Harness) {
	cases{
		{"StatesItself", leaseStatesItself},
		{"Hazard30_TTLIsKeptExactly", leaseTTL},
		{"CreateRepeated", createRepeated},
		{"RenewRaisesTheBeat", renewRaisesTheBeat},
		{"RenewResetsTheAge", renewResetsTheAge},
		{"RenewGone", renewGone},
		{"OneEpoch", oneEpoch},
		{"Hazard08_ReleaseRacesRenewal", releaseRacesRenewal},
	}.parallel(t, h)
}

func leaseStatesItself(w *world) {
	conn := w.connect()
	for _, c := range []driver.Lease{
		{Owner: "ann@example", Info: driver.Info{Host: "host-1", PID: 4711, App: "nightly"}},
		{Owner: "", Info: driver.Info{}},
		{Owner: "Zoë 🔑 'x' \"y\" \\z", Info: driver.Info{Host: "h\"o\\st", PID: 1 << 30, App: "日本 \t'"}},
	} {
		c.ID, c.TTL = driver.NewID(), w.h.TTL
		if _, err := conn.CreateLease(w.ctx(), c); err != nil {
			w.Fatalf("CreateLease(%+v): %v", c, err)
		}
		cl := &client{world: w, conn: conn, lease: c}
		name := c.ID.String()
		cl.hold(name)
		got, ok := w.state(name, cl)
		if !ok || got.Lease != c {
			w.Errorf("read %+v (found %v), want %+v", got.Lease, ok, c)
		}
		if got.Beat == 0 {
			w.Error("the beat of a new lease is 0")
		}
		if got.Age < 0 || got.Age > patience {
			w.Errorf("the age of a new lease is %v", got.Age)
		}
		if want := w.living(); got.Liveness != want {
			w.Errorf("liveness of a living lease: %v, want %v", got.Liveness, want)
		}
	}
}

// living is what the store says of a lease whose client lives.
func (w *world) living() driver.Liveness {
	if w.h.Liveness {
		return driver.Alive
	}
	return driver.Unknown
}

func leaseTTL(w *world) {
	conn := w.connect()
	for _, ttl := range []time.Duration{100 * time.Millisecond, 1234 * time.Millisecond, time.Minute} {
		c := w.clientOn(conn, ttl)
		c.hold(ttl.String())
		if got, _ := w.state(ttl.String(), c); got.TTL != ttl {
			w.Errorf("a TTL of %v was read as %v", ttl, got.TTL)
		}
	}
}

func createRepeated(w *world) {
	c := w.client()
	c.hold("a")
	before, _ := w.state("a", c)
	row := w.row("a")
	first := c.renew()
	again, err := c.conn.CreateLease(w.ctx(), c.lease)
	if err != nil {
		w.Fatalf("CreateLease, repeated: %v", err)
	}
	if again != first {
		w.Errorf("CreateLease, repeated, replied %+v, want %+v", again, first)
	}
	after, ok := w.state("a", c)
	if !ok || after.Beat <= before.Beat {
		w.Errorf("beat %d after %d: a repeated CreateLease renews", after.Beat, before.Beat)
	}
	w.wantSame(row)
}

func renewRaisesTheBeat(w *world) {
	c, other := w.client(), w.client()
	c.hold("a")
	other.hold("b")
	still, _ := w.state("b", other)
	last, _ := w.state("a", c)
	for range 3 {
		c.renew()
		now, ok := w.state("a", c)
		if !ok || now.Beat <= last.Beat {
			w.Fatalf("beat %d after %d", now.Beat, last.Beat)
		}
		if now.Lease != last.Lease {
			w.Fatalf("a renewal changed the lease from %+v to %+v", last.Lease, now.Lease)
		}
		last = now
	}
	if now, _ := w.state("b", other); now.Beat != still.Beat {
		w.Error("renewing one lease raised the beat of another")
	}
}

func renewResetsTheAge(w *world) {
	c := w.client()
	c.hold("a")
	await(w.T, "the age of a lease grows", func() bool {
		state, _ := w.state("a", c)
		return state.Age >= 100*time.Millisecond
	})
	sent := time.Now()
	c.renew()
	state, _ := w.state("a", c)
	if most := time.Since(sent) + 50*time.Millisecond; state.Age < 0 || state.Age > most {
		w.Errorf("age %v after a renewal sent %v ago", state.Age, most)
	}
}

func renewGone(w *world) {
	c := w.client()
	if _, err := c.conn.RenewLease(w.ctx(), driver.NewID()); !errors.Is(err, driver.ErrLeaseGone) {
		w.Errorf("renewing a lease that never was: %v, want ErrLeaseGone", err)
	}
	a, _ := c.hold("a")
	c.end()
	if _, err := c.conn.RenewLease(w.ctx(), c.lease.ID); !errors.Is(err, driver.ErrLeaseGone) {
		w.Errorf("renewing an ended lease: %v, want ErrLeaseGone", err)
	}
	if _, ok := w.state("a", c); ok {
		w.Error("a renewal brought an ended lease back")
	}
	w.wantRow("a", a)
}

func oneEpoch(w *world) {
	c := w.client()
	created, err := c.conn.CreateLease(w.ctx(), c.lease)
	if err != nil {
		w.Fatal(err)
	}
	reply := c.acquire(c.attempt("a"), false)
	view := w.read(driver.Query{Names: []string{"a"}})
	renewed := c.renew()
	if created.Epoch != renewed.Epoch || reply.Epoch != renewed.Epoch || view.Epoch != renewed.Epoch {
		w.Errorf("epochs differ: CreateLease %d, RenewLease %d, Acquire %d, Read %d",
			created.Epoch, renewed.Epoch, reply.Epoch, view.Epoch)
	}
}

func releaseRacesRenewal(w *world) {
	c := w.client()
	for range 30 {
		a, _ := c.hold("a")
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := c.conn.RenewLease(w.Context(), c.lease.ID); err != nil {
				w.Errorf("RenewLease beside a release: %v", err)
			}
		})
		c.release(a, driver.Released)
		wg.Wait()
		w.wantRow("a", nobody)
	}
	c.renew()
}
