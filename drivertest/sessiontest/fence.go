package sessiontest

// FencesFollowTheServersClock shows that fences are the server's clock, whatever its zone,
// and no client's; and that they rise though the clock is set back, or the table's row is.
func FencesFollowTheServersClock(s *Site) {
	s.Helper()
	c := s.Client()
	now := func() int64 { return s.number("SELECT " + s.ClockSQL) }
	before := now()
	lock := s.Acquire(c, "a")
	if f := int64(lock.Fence()); f < before || f > now() {
		s.Errorf("fence %d, the clock went from %d to %d", f, before, now())
	}
	s.Release(lock)
	s.exec("UPDATE " + s.Fences + " SET last = last + 3600000000") // as if the clock had been set back since
	ahead := s.Acquire(c, "a")
	if ahead.Fence() < lock.Fence()+3600000000 {
		s.Errorf("fence %d after one of an hour ahead of %d", ahead.Fence(), lock.Fence())
	}
	s.Release(ahead)
	s.exec("UPDATE " + s.Fences + " SET last = 0")
	again := s.Acquire(s.Client(), "b")
	if again.Fence() <= lock.Fence() {
		s.Errorf("fence %d after %d", again.Fence(), lock.Fence())
	}
	s.Release(again)
}
