package drivertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// testClientModes: the options of acquisitions, over the store.
func testClientModes(t *testing.T, h Harness) {
	all := cases{
		{"Lacking", modesLacking},
	}
	if !h.Lacks.Shared {
		all = append(all, cases{
			{"ReadersAndWriters", modesReadersAndWriters},
			{"WriterTakesOverDeadReaders", modesDeadReaders},
			{"RevokeOneReader", modesRevokeReader},
		}...)
	}
	if !h.Lacks.Permits {
		all = append(all, cases{
			{"Permits", modesPermits},
			{"PermitsOfTheDead", modesDeadPermits},
			{"Disagreement", modesDisagree},
		}...)
	}
	if !h.Lacks.MinHold {
		all = append(all, cases{
			{"MinHoldServesAWaiter", modesMinHold},
			{"MinHoldOfTheDead", modesMinHoldDead},
		}...)
	}
	if !h.Lacks.Fixed {
		all = append(all, cases{
			{"FixedTTLEndsInTime", modesFixed},
			{"FixedTTLExtended", modesExtended},
		}...)
	}
	if !h.Lacks.Data {
		all = append(all, cases{{"Data", modesData}}...)
	}
	all.parallel(t, h)
}

// modesLacking: what the store lacks is refused at once, and nothing is left of it.
func modesLacking(w *world) {
	c := w.open("")
	for _, mode := range []struct {
		lacks bool
		opts  []leasehold.Option
	}{
		{w.h.Lacks.Shared, []leasehold.Option{leasehold.Shared()}},
		{w.h.Lacks.Permits, []leasehold.Option{leasehold.Permits(2)}},
		{w.h.Lacks.MinHold, []leasehold.Option{leasehold.MinHold(time.Millisecond)}},
		{w.h.Lacks.Fixed, []leasehold.Option{leasehold.FixedTTL(time.Minute)}},
		{w.h.Lacks.Data, []leasehold.Option{leasehold.Data([]byte("x"))}},
	} {
		l, err := c.Acquire(w.ctx(), "a", mode.opts...)
		switch {
		case mode.lacks && !errors.Is(err, leasehold.ErrUnsupported):
			w.Errorf("what the store lacks: %v, want ErrUnsupported", err)
		case !mode.lacks && err != nil:
			w.Errorf("what the store has: %v", err)
		}
		if err == nil {
			w.unlock(l)
		}
	}
	w.unlock(w.lock(c, "a"))
}

func modesReadersAndWriters(w *world) {
	const clients, each, rounds = 3, 3, 6
	watch := newWitness(w.T)
	var wg sync.WaitGroup
	for range clients {
		c := w.open("one of some")
		for i := range each {
			wg.Go(func() {
				for range rounds {
					if i == 0 {
						watch.acquire(c, "a")
					} else {
						watch.acquireAs(c, "a", shared, leasehold.Shared())
					}
				}
			})
		}
	}
	wg.Wait()
	if n := watch.grants("a"); n != clients*each*rounds && !w.Failed() {
		w.Errorf("%d grants, want %d", n, clients*each*rounds)
	}
	w.wantNoGhost("a")
}

func modesDeadReaders(w *world) {
	ttl := w.h.TTL
	dead, other := w.mortal(ttl), w.mortal(ttl)
	dead.holdAs("a", shared)
	other.holdAs("a", shared)
	live := w.openShort("reader")
	reader := w.lock(live, "a", leasehold.Shared())
	sent := time.Now()
	dead.renew()
	other.renew()
	dead.die()
	other.die()
	writer := w.wait(w.ctx(), w.openShort("writer"), "a", 1)
	await(w.T, "the dead are taken over from", func() bool {
		row := w.row("a")
		return len(row.Members) == 1
	})
	if early := time.Until(w.earliest(sent, ttl)); early > 0 {
		w.Errorf("taken over %v before the trust deadline", early)
	}
	if !reader.Held() {
		w.Error("the living reader lost its lock")
	}
	w.unlock(reader)
	w.unlock(w.granted(writer).lock)
	w.wantNoGhost("a")
}

func modesRevokeReader(w *world) {
	c := w.openOn(w.store, leasehold.Config{TTL: 5 * w.h.TTL}) // learns of it by a third of that
	other := w.open("other")
	first, second := w.lock(c, "a", leasehold.Shared()), w.lock(other, "a", leasehold.Shared())
	if err := other.Revoke(w.ctx(), "a", first.Fence(), "why not"); err != nil {
		w.Fatalf("Revoke: %v", err)
	}
	if cause := w.ended(first); !errors.Is(cause, leasehold.ErrRevoked) {
		w.Errorf("cause %v, want ErrRevoked", cause)
	}
	if !second.Held() {
		w.Error("another reader lost its lock too")
	}
	_ = first.Close() // it was lost
	w.unlock(second)
	w.wantNoGhost("a")
}

func modesPermits(w *world) {
	const limit, clients, each, rounds = 2, 3, 3, 6
	watch := newWitness(w.T)
	var wg sync.WaitGroup
	for range clients {
		c := w.open("one of some")
		for range each {
			wg.Go(func() {
				for range rounds {
					watch.acquireAs(c, "a", permits(limit), leasehold.Permits(limit))
				}
			})
		}
	}
	wg.Wait()
	if n := watch.grants("a"); n != clients*each*rounds && !w.Failed() {
		w.Errorf("%d grants, want %d", n, clients*each*rounds)
	}
	w.wantNoGhost("a")
}

// modesDeadPermits: as many as died are served, and no more.
func modesDeadPermits(w *world) {
	ttl := w.h.TTL
	dead := w.mortal(ttl)
	dead.holdAs("a", permits(2))
	dead.holdAs("a", permits(2))
	dead.renew()
	dead.die()
	clients := []*leasehold.Client{w.openShort("one"), w.openShort("other"), w.openShort("third")}
	grants := make(chan grant, len(clients))
	for _, c := range clients {
		go func() { grants <- <-w.acquiring(w.Context(), c, "a", leasehold.Permits(2)) }()
	}
	first, second := w.granted(grants), w.granted(grants)
	if row := w.row("a"); len(row.Members) != 2 || row.Limit != 2 {
		w.Errorf("the row is %+v", row)
	}
	w.unlock(first.lock)
	third := w.granted(grants)
	w.unlock(second.lock)
	w.unlock(third.lock)
	w.wantNoGhost("a")
}

func modesDisagree(w *world) {
	c, other := w.open("one"), w.open("other")
	l := w.lock(c, "a", leasehold.Permits(2))
	for _, opts := range [][]leasehold.Option{nil, {leasehold.Permits(3)}} {
		_, err := other.Acquire(w.ctx(), "a", opts...)
		var mode *leasehold.ModeError
		if !errors.As(err, &mode) || mode.Limit != 2 || mode.Name != "a" {
			w.Errorf("on other terms: %v, want a ModeError", err)
		}
	}
	w.unlock(l)
	w.unlock(w.lock(other, "a", leasehold.Permits(3)))
}

func modesMinHold(w *world) {
	c, other := w.open("one"), w.open("other")
	asked := time.Now()
	w.unlock(w.lock(c, "a", leasehold.MinHold(short)))
	waiting := w.wait(w.ctx(), other, "a", 1)
	if _, err := c.TryAcquire(w.ctx(), "a"); !errors.Is(err, leasehold.ErrHeld) && time.Since(asked) < short {
		w.Errorf("a try before the end of the minimum hold: %v", err)
	}
	g := w.granted(waiting)
	if early := asked.Add(short - 2*time.Millisecond).Sub(g.at); early > 0 {
		w.Errorf("granted %v before the end of the minimum hold", early)
	}
	w.Logf("granted %v after the end of the minimum hold", g.at.Sub(asked.Add(short)))
	w.unlock(g.lock)
	w.wantNoGhost("a")
}

// modesMinHoldDead: neither the death of the holder nor a revocation that does not wait
// ends its minimum hold.
func modesMinHoldDead(w *world) {
	least := 3 * w.h.TTL
	dead := w.mortal(w.h.TTL)
	asked := time.Now()
	dead.holdAs("a", minHold(least))
	dead.die()
	g := w.granted(w.acquiring(w.ctx(), w.openShort("heir"), "a"))
	if early := asked.Add(least - 2*time.Millisecond).Sub(g.at); early > 0 {
		w.Errorf("granted %v before the end of the minimum hold", early)
	}
	w.unlock(g.lock)
}

func modesFixed(w *world) {
	ttl := w.h.TTL
	c := w.open("one")
	l := w.lock(c, "a", leasehold.FixedTTL(ttl))
	waiting := w.wait(w.ctx(), w.open("other"), "a", 1)
	if cause := w.ended(l); !errors.Is(cause, leasehold.ErrExpired) {
		w.Errorf("cause %v, want ErrExpired", cause)
	}
	g := w.granted(waiting)
	if early := l.Deadline().Sub(g.at); early > 0 {
		w.Errorf("it passed on %v before its trust deadline", early)
	}
	_ = l.Close() // it was lost
	w.unlock(g.lock)
	w.wantNoGhost("a")
}

func modesExtended(w *world) {
	ttl := 4 * w.h.TTL
	c := w.open("one")
	l := w.lock(c, "a", leasehold.FixedTTL(ttl))
	start := time.Now()
	for time.Since(start) < ttl*3/2 {
		if err := l.Extend(w.ctx()); err != nil {
			w.Fatalf("Extend after %v: %v", time.Since(start), err)
		}
		time.Sleep(ttl / 20)
	}
	if !l.Held() {
		w.Error("an extended lock is not held")
	}
	w.unlock(l)
	w.wantNoGhost("a")
}

func modesData(w *world) {
	c, other := w.open("one"), w.open("other")
	l := w.lock(c, "a", leasehold.Data([]byte("one")), leasehold.KeepData())
	if info, err := other.Get(w.ctx(), "a"); err != nil || string(info.Data) != "one" {
		w.Errorf("data %q, %v", info.Data, err)
	}
	if err := l.SetData(w.ctx(), []byte("two")); err != nil {
		w.Fatalf("SetData: %v", err)
	}
	w.unlock(l)
	next := w.lock(other, "a")
	if data, err := next.Data(w.ctx()); err != nil || string(data) != "two" {
		w.Errorf("what the last holder left: %q, %v", data, err)
	}
	if err := next.SetData(w.ctx(), []byte("three")); err != nil {
		w.Fatalf("SetData: %v", err)
	}
	w.unlock(next)
	w.wantData("a", "")
	if err := next.SetData(w.ctx(), []byte("four")); !errors.Is(err, leasehold.ErrNotHeld) {
		w.Errorf("SetData after the release: %v, want ErrNotHeld", err)
	}
}
