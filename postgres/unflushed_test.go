package postgres

import (
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// releases are what is remembered of releases with these tickets, in this order.
func releases(u *unflushed, instant time.Time) (tickets []byte) {
	for _, r := range u.before(instant) {
		tickets = append(tickets, r.attempt.Ticket[0])
	}
	return tickets
}

func attemptOf(ticket byte) driver.Attempt {
	return driver.Attempt{Name: "a", Lease: driver.ID{1}, Ticket: driver.ID{ticket}}
}

// A release is on the disk when a commit that was asked for after its answer is, in a
// session from before it was asked for; no other commit proves that.
func TestUnflushedNeedsAnOlderSessionAndALaterCommit(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		dialled, sent time.Duration // after the release was sent, after it was answered
		forgotten     bool
	}{
		{"OlderSessionLaterCommit", -time.Second, time.Second, true},
		{"AtTheSameInstants", 0, 0, true},
		{"YoungerSession", time.Nanosecond, time.Second, false},
		{"EarlierCommit", -time.Second, -time.Nanosecond, false},
		{"NeitherOfBoth", time.Nanosecond, -time.Nanosecond, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			u := new(unflushed)
			sent := clock.Now()
			u.note(attemptOf(1), sent)
			answered := u.list[0].answered
			if answered.Before(sent) {
				t.Fatalf("answered at %v, sent at %v", answered, sent)
			}
			u.flushed(&session{dialled: sent.Add(test.dialled)}, answered.Add(test.sent))
			if got := len(releases(u, sent.Add(time.Hour))); (got == 0) != test.forgotten {
				t.Errorf("%d remembered", got)
			}
		})
	}
}

// What was sent before a session was dialled is what a crash before it may have undone.
func TestUnflushedBefore(t *testing.T) {
	t.Parallel()
	u := new(unflushed)
	start := clock.Now()
	for i := range byte(3) {
		u.note(attemptOf(i+1), start.Add(time.Duration(i)*time.Second))
	}
	for seconds, want := range []string{"", "\x01", "\x01\x02", "\x01\x02\x03"} {
		instant := start.Add(time.Duration(seconds) * time.Second)
		if got := string(releases(u, instant)); got != want {
			t.Errorf("before %d s: %q, want %q", seconds, got, want)
		}
	}
}

// There is room for so many; then a release waits for the disk, and a commit makes room.
func TestUnflushedIsBounded(t *testing.T) {
	t.Parallel()
	u, s := new(unflushed), &session{dialled: clock.Now()}
	for i := range maxUnflushed {
		if !u.room() {
			t.Fatalf("no room for the release %d", i+1)
		}
		u.note(attemptOf(byte(i)), clock.Now())
	}
	if u.room() {
		t.Errorf("room for more than %d", maxUnflushed)
	}
	u.flushed(s, clock.Now())
	if !u.room() || len(u.list) > 0 {
		t.Errorf("%d left", len(u.list))
	}
}

// One that was made again counts as of then: it is proven by the next commit of the new
// session, and is made again once more if that ends first. The others are left alone.
func TestUnflushedDone(t *testing.T) {
	t.Parallel()
	u := new(unflushed)
	start := clock.Now()
	u.note(attemptOf(1), start)
	u.note(attemptOf(2), start)
	second := &session{dialled: clock.Now().Add(time.Second)}
	sent := second.dialled.Add(time.Second)
	u.done(u.before(second.dialled)[0], sent)
	if got := string(releases(u, second.dialled)); got != "\x02" {
		t.Errorf("to be made again in the second session: %q", got)
	}
	if got := string(releases(u, sent.Add(time.Second))); got != "\x01\x02" {
		t.Errorf("to be made again in a third one: %q", got)
	}
	u.flushed(second, sent.Add(time.Second))
	if got := string(releases(u, sent.Add(time.Hour))); got != "\x02" {
		t.Errorf("after a commit in the second session: %q", got)
	}
}

// Releases one after the other are remembered up to the bound, and all forgotten with the
// next grant, which waits for the disk.
func TestReleasesAreForgottenWithTheNextGrant(t *testing.T) {
	t.Parallel()
	c := newClient(t, New(testPool(t), Config{Schema: testSchema(t)}))
	var holds []driver.Hold
	for i := range maxUnflushed + 5 {
		holds = append(holds, c.hold(string(rune('A'+i))))
	}
	for i, hold := range holds {
		c.release(hold.Attempt)
		want := i + 1
		if i >= maxUnflushed {
			want = i - maxUnflushed // this one has waited for the disk, and so have all
		}
		if n := len(c.unflushed.list); n != want {
			t.Fatalf("after %d releases %d are remembered, want %d", i+1, n, want)
		}
	}
	c.hold("z")
	if n := len(c.unflushed.list); n != 0 {
		t.Errorf("%d are remembered after a grant", n)
	}
}

// tomorrowOfTheClock is an instant after every other one of a test.
func tomorrowOfTheClock() time.Time { return clock.Now().Add(24 * time.Hour) }
