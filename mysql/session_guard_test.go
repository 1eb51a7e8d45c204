package mysql

import (
	"testing"

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

func TestSessionGuardRefusesTheRevoked(t *testing.T) {
	t.Parallel()
	sessiontest.GuardRefusesTheRevoked(newSite(t).Site)
}

func TestHazard25_SessionGuardedCounterIsExact(t *testing.T) {
	t.Parallel()
	sessiontest.GuardedCounterIsExact(newSite(t).Site, func(error) bool { return true }) // the session's end may cut a guard off
}
