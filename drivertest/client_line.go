package drivertest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

// testBadLine: what lies between a client and its store fails.
func testBadLine(t *testing.T, h Harness) {
	cases{
		{"Hazard01_SilentLineEndsTrustInTime", func(w *world) { trustEnds(w, silent) }},
		{"BrokenLineEndsTrustInTime", func(w *world) { trustEnds(w, broken) }},
		{"Hazard11_ShortOutageLosesNothing", shortOutage},
		{"Hazard20_OutageEndsNoWait", outageEndsNoWait},
		{"Hazard09_LostRepliesLeaveNoGhost", lostReplies},
	}.parallel(t, h)
}

// trustEnds: the holder's belief ends at its deadline, and only then can
// another be granted the lock.
func trustEnds(w *world, s state) {
	line := newLine(w.store)
	holder := w.openOn(line, leasehold.Config{TTL: w.h.TTL, Owner: "cut off"})
	l := w.lock(holder, "a")
	next := w.wait(w.ctx(), w.openShort("heir"), "a", 1)
	line.set(s)
	cause := w.ended(l)
	ended := time.Now()
	if !errors.Is(cause, leasehold.ErrLost) || !errors.Is(cause, leasehold.ErrExpired) {
		w.Errorf("cause %v, want ErrLost and ErrExpired", cause)
	}
	if late := ended.Sub(l.Deadline()); l.Held() || late > w.h.TTL {
		w.Errorf("held %v; the context ended %v after the deadline", l.Held(), late)
	}
	if w.h.Liveness { // the client lives: its lock passes when it lets go
		line.set(sound)
		_ = l.Close() // lost, as the cause has said
	}
	g := w.granted(next)
	if early := l.Deadline().Sub(g.at); early > 0 {
		w.Errorf("granted to another %v before the trust deadline", early)
	}
	line.set(sound)
	if err := l.Close(); !errors.Is(err, leasehold.ErrLost) {
		w.Errorf("Close after the loss: %v, want ErrLost", err)
	}
	if !g.lock.Held() || w.row("a").Fence != g.lock.Fence() {
		w.Error("closing the lost lock took it from the next holder")
	}
	w.unlock(g.lock)
	w.wantNoGhost("a")
}

// shortOutage: with most of the lease left, an outage is ridden out.
func shortOutage(w *world) {
	line := newLine(w.store)
	c := w.openOn(line, leasehold.Config{TTL: 5 * w.h.TTL})
	l := w.lock(c, "a")
	first := l.Deadline()
	line.set(broken)
	await(w.T, "half of the TTL passes", func() bool { return time.Until(first) < 5*w.h.TTL/2 })
	if !l.Held() {
		w.Fatal("one outage lost the lock")
	}
	line.set(sound)
	await(w.T, "the lease is renewed", func() bool { return l.Deadline().After(first) })
	if !l.Held() || l.Context().Err() != nil {
		w.Error("the lock was lost though the lease was renewed in time")
	}
	w.unlock(l)
	w.wantNoGhost("a")
}

func outageEndsNoWait(w *world) {
	line := newLine(w.store)
	holder := w.open("the holder")
	l := w.lock(holder, "a")
	waiter := w.openOn(line, leasehold.Config{TTL: w.h.TTL})
	next := w.wait(w.ctx(), waiter, "a", 1)
	line.set(broken)
	start := time.Now()
	await(w.T, "an outage of half a TTL passes", func() bool { return time.Since(start) > w.h.TTL/2 })
	select {
	case g := <-next:
		w.Fatalf("an outage ended the wait: %v, %v", g.lock, g.err)
	default:
	}
	line.set(sound)
	w.unlock(l)
	w.unlock(w.granted(next).lock)
	w.wantNoGhost("a")
}

// lostReplies: every third reply is lost, of calls that took effect.
func lostReplies(w *world) {
	watch := newWitness(w.T)
	var wg sync.WaitGroup
	for range 2 {
		line := newLine(w.store)
		c := w.openOn(line, leasehold.Config{TTL: max(w.h.TTL, 5*time.Second)})
		line.set(lossy)
		wg.Go(func() {
			for range 8 {
				watch.acquire(c, "a")
			}
			line.set(sound)
		})
	}
	wg.Wait()
	w.wantNoGhost("a")
}
