package drivertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold"
)

func testClientRevoke(t *testing.T, h Harness) {
	cases{
		{"Hazard06_ReachesTheHolder", revokeReaches},
		{"NotificationReachesTheHolder", revokeNotifies},
		{"WaitsForADeafHolder", revokeWaits},
		{"WaivedWait", revokeWaived},
		{"NotHeld", revokeNotHeldByClient},
	}.parallel(t, h)
}

func revokeReaches(w *world) {
	waiter, operator := w.open("the waiter"), w.open("the operator")
	holder := w.openOn(w.store, leasehold.Config{TTL: 5 * w.h.TTL}) // learns of it by a third of that
	l := w.lock(holder, "a")
	next := w.wait(w.ctx(), waiter, "a", 1)
	if err := operator.Revoke(w.ctx(), "a", l.Fence(), "maintenance"); err != nil {
		w.Fatalf("Revoke: %v", err)
	}
	cause := w.ended(l)
	var revoked *leasehold.RevokedError
	if !errors.Is(cause, leasehold.ErrLost) || !errors.Is(cause, leasehold.ErrRevoked) || !errors.As(cause, &revoked) {
		w.Fatalf("cause %v, want ErrLost and a RevokedError", cause)
	}
	if revoked.By != "the operator" || revoked.Reason != "maintenance" {
		w.Errorf("revoked by %q: %q", revoked.By, revoked.Reason)
	}
	if l.Held() {
		w.Error("a revoked lock is held")
	}
	if err := l.Close(); !errors.Is(err, leasehold.ErrLost) {
		w.Errorf("Close of a revoked lock: %v, want ErrLost", err)
	}
	g := w.granted(next)
	if g.lock.Fence() <= l.Fence() {
		w.Errorf("fence %d after %d", g.lock.Fence(), l.Fence())
	}
	w.unlock(g.lock)
	w.wantNoGhost("a")
}

// revokeNotifies: a client that has waited listens, and need not wait for its next
// renewal to hear of a revocation. It may not yet listen the first time.
func revokeNotifies(w *world) {
	const rounds = 3
	holder, other := w.open("the holder"), w.open("the other")
	for round := range rounds {
		took := w.timeToLearn(holder, other)
		if !w.h.Listens || took < time.Second {
			break
		}
		w.Logf("round %d: the holder learned of it after %v", round, took)
		if round == rounds-1 {
			w.Error("no notification ever reached the holder")
		}
	}
	w.wantNoGhost("a")
}

// timeToLearn revokes a lock that holder has waited for.
func (w *world) timeToLearn(holder, other *leasehold.Client) time.Duration {
	w.Helper()
	l := w.lock(other, "a")
	next := w.wait(w.ctx(), holder, "a", 1)
	w.unlock(l)
	held := w.granted(next).lock
	sent := time.Now()
	if err := other.Revoke(w.ctx(), "a", held.Fence(), ""); err != nil {
		w.Fatalf("Revoke: %v", err)
	}
	w.ended(held)
	took := time.Since(sent)
	if err := held.Close(); !errors.Is(err, leasehold.ErrLost) {
		w.Errorf("Close of a revoked lock: %v, want ErrLost", err)
	}
	return took
}

// revokeWaits: a holder that does not hear keeps its lock for its TTL.
func revokeWaits(w *world) {
	waiter, operator := w.openShort("the waiter"), w.open("the operator")
	ttl := 2 * w.h.TTL
	deaf := w.mortal(ttl)
	_, fence := deaf.hold("a")
	renewing, stop := context.WithCancel(w.Context())
	defer stop()
	go func() {
		for renewing.Err() == nil {
			_, _ = deaf.conn.RenewLease(renewing, deaf.lease.ID) // its reply is what is not heard
			time.Sleep(ttl / 20)
		}
	}()
	next := w.wait(w.ctx(), waiter, "a", 1)
	sent := time.Now()
	if err := operator.Revoke(w.ctx(), "a", fence, "deaf"); err != nil {
		w.Fatalf("Revoke: %v", err)
	}
	g := w.granted(next)
	took := g.at.Sub(sent)
	w.Logf("passed on %v after the mark with a TTL of %v", took, ttl)
	if took < ttl || took > 5*ttl {
		w.Errorf("passed on %v after the mark, want a TTL of %v", took, ttl)
	}
	w.unlock(g.lock)
}

func revokeWaived(w *world) {
	waiter, operator := w.open("the waiter"), w.open("the operator")
	deaf := w.mortal(time.Minute)
	_, fence := deaf.hold("a")
	next := w.wait(w.ctx(), waiter, "a", 1)
	if err := operator.Revoke(w.ctx(), "a", fence, "now", leasehold.WaiveWait()); err != nil {
		w.Fatalf("Revoke: %v", err)
	}
	w.unlock(w.granted(next).lock)
	w.wantNoGhost("a")
}

func revokeNotHeldByClient(w *world) {
	holder, operator := w.open("the holder"), w.open("the operator")
	l := w.lock(holder, "a")
	for name, fence := range map[string]uint64{"a": l.Fence() + 1, "b": 1} {
		if err := operator.Revoke(w.ctx(), name, fence, ""); !errors.Is(err, leasehold.ErrNotHeld) {
			w.Errorf("Revoke(%q, %d): %v, want ErrNotHeld", name, fence, err)
		}
	}
	w.unlock(l)
	if err := operator.Revoke(w.ctx(), "a", l.Fence(), ""); !errors.Is(err, leasehold.ErrNotHeld) {
		w.Errorf("Revoke of a released lock: %v, want ErrNotHeld", err)
	}
}
