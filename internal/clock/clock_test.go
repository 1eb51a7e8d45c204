package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestMargin(t *testing.T) {
	for ttl, want := range map[time.Duration]time.Duration{
		100 * time.Millisecond: 5 * time.Millisecond,
		time.Second:            50 * time.Millisecond,
		5 * time.Second:        250 * time.Millisecond,
		15 * time.Second:       250 * time.Millisecond,
		time.Minute:            300 * time.Millisecond,
		time.Hour:              18 * time.Second,
	} {
		if got := Margin(ttl); got != want {
			t.Errorf("Margin(%v) = %v, want %v", ttl, got, want)
		}
	}
}

func TestNowIsExactInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 1000 {
			start := Now()
			time.Sleep(1234567 * time.Nanosecond)
			if got := Since(start); got != 1234567*time.Nanosecond {
				t.Fatalf("elapsed %v", got)
			}
		}
	})
}

func TestNowNeverFalls(t *testing.T) {
	last := Now()
	for range 100_000 {
		now := Now()
		if now.Before(last.Add(-time.Millisecond)) {
			t.Fatalf("fell by %v", last.Sub(now))
		}
		last = now
	}
}
