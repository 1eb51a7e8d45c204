package pgserver

import (
	"math"
	"strconv"
	"testing"
	"time"
)

// ahead returns how far the server's clock is ahead of ours.
func ahead(t *testing.T, s *Server) time.Duration {
	t.Helper()
	out, err := s.Query(t.Context(), "select extract(epoch from clock_timestamp())")
	must(t, err)
	seconds, err := strconv.ParseFloat(out, 64)
	must(t, err)
	return time.Duration((seconds - float64(time.Now().UnixNano())/1e9) * float64(time.Second))
}

func TestStepMovesTheClock(t *testing.T) {
	t.Parallel()
	s := ForTest(t, Config{Clock: true})
	for _, want := range []time.Duration{0, time.Hour, -90 * time.Minute, 0} {
		must(t, s.Step(want))
		if got := ahead(t, s); math.Abs((got - want).Seconds()) > 10 {
			t.Errorf("the clock is %v ahead after Step(%v)", got, want)
		}
	}
	must(t, s.Step(-time.Hour))
	must(t, s.Kill())
	must(t, s.Restart(t.Context()))
	if got := ahead(t, s); math.Abs((got + time.Hour).Seconds()) > 10 {
		t.Errorf("the clock is %v ahead after a restart", got)
	}
}

func TestStepNeedsAClock(t *testing.T) {
	t.Parallel()
	if err := new(Server).Step(time.Second); err == nil {
		t.Error("the machine's clock was moved")
	}
}
