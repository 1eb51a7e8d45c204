package postgres

import (
	"context"
	"errors"
	"testing"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/drivertest/sessiontest"
)

func TestSessionGuardKeepsOthersOut(t *testing.T) {
	t.Parallel()
	sessiontest.GuardKeepsOthersOut(newSite(t).Site)
}

func TestSessionGuardOutlivesTheSession(t *testing.T) {
	t.Parallel()
	sessiontest.GuardOutlivesTheSession(newSite(t).Site)
}

// Without fences, too.
func TestSessionGuardRefusesTheRevoked(t *testing.T) {
	t.Parallel()
	sessiontest.GuardRefusesTheRevoked(newSite(t, func(cfg *SessionConfig) { cfg.NoFence = true }).Site)
}

// Readers guard what they share; a writer waits for the guards of all.
func TestSessionGuardOfASharedLock(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	a, b, c := s.Client(), s.Client(), s.Client()
	one, two := s.Acquire(a, "x", leasehold.Shared()), s.Acquire(b, "x", leasehold.Shared())
	tx := s.Guarded(one)
	other, err := s.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Rollback(context.Background())
	if err := Guard(t.Context(), other, two); err != nil {
		t.Fatal(err)
	}
	s.Release(s.Acquire(a, "x", leasehold.Shared())) // in the same process
	got := s.Waits(c, "x")
	s.Release(one)
	s.Release(two)
	_ = other.Commit(t.Context())
	s.Release(s.Later("a writer", got, func() { _ = tx.Commit() }))
}

func TestHazard25_SessionGuardedCounterIsExact(t *testing.T) {
	t.Parallel()
	sessiontest.GuardedCounterIsExact(newSite(t).Site, func(err error) bool { return errors.Is(err, leasehold.ErrNotHeld) })
}
