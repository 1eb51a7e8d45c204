package distrlock_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/leaseholdgo/leasehold/compat/distrlock"
)

// zones are far apart, and one of them is not made of hours.
func zones(d distrlock.Dialect) []string {
	if isMySQL(d) {
		return []string{"+00:00", "+09:00", "-08:00", "+05:45"}
	}
	return []string{"UTC", "Asia/Tokyo", "America/Los_Angeles", "Asia/Kathmandu"}
}

// Sessions of different zones neither steal nor hold on for longer.
func TestHazard28_DistrlockTimeZones(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, holder := range zones(d) {
			l, db := p.lock("k"), p.open(holder)
			must(t, l.Acquire(t.Context(), db, 500*time.Millisecond))
			start := time.Now() // before it is sent
			must(t, l.Extend(t.Context(), db))
			for _, zone := range zones(d) {
				other := p.open(zone)
				if err := p.lock("k").Acquire(t.Context(), other, time.Minute); err == nil {
					if took := time.Since(start); took < 500*time.Millisecond {
						t.Errorf("held in %s, and acquired in %s after %v", holder, zone, took)
					}
					run(t, p.db, "UPDATE distributed_locks SET expire_at = NULL")
				}
				await(t, "the lease is over in "+zone, func() bool {
					another := p.lock("k")
					err := another.Acquire(t.Context(), other, 500*time.Millisecond)
					if err == nil {
						must(t, another.Release(t.Context(), other))
					}
					return err == nil
				})
				start = time.Now()
				must(t, l.Acquire(t.Context(), db, 500*time.Millisecond))
			}
			must(t, l.Release(t.Context(), db))
		}
	})
}

// Old clients and ours agree where their sessions have one zone, whichever that is.
func TestFix_OldClientsOfTheSameZone(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		p := newTable(t, d)
		for _, zone := range zones(d) {
			takeBoth(t, p, zone, 1500*time.Millisecond, 0)
		}
	})
}

// takeBoth holds a lock as an old client and as one of ours, of a zone, and expects the other kind to get it after
// ttl and not before. Those of an old reading may get it later by the slack.
func takeBoth(t *testing.T, p *place, zone string, ttl, slack time.Duration) {
	t.Helper()
	db := p.open(zone)
	ours, theirs := p.lock("ours "+zone[:min(len(zone), 6)]), p.lock("theirs "+zone[:min(len(zone), 6)])
	old, other := p.old(theirs.Key, zone), p.old(ours.Key, zone)
	start := time.Now()
	must(t, ours.Acquire(t.Context(), db, ttl))
	must(t, old.acquire(t.Context(), ttl))
	var gotTheirs, gotOurs time.Duration
	for late := 0; (gotTheirs == 0 || gotOurs == 0) && late < 500; {
		if time.Since(start) > ttl+time.Second { // all that is tried from here on ought to succeed
			late++
		}
		if gotOurs == 0 && other.acquire(t.Context(), time.Millisecond) == nil {
			gotOurs = time.Since(start)
		}
		if gotTheirs == 0 && theirs.Acquire(t.Context(), db, time.Millisecond) == nil {
			gotTheirs = time.Since(start)
		}
		if slack > 0 && late > 0 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	for who, got := range map[string]time.Duration{"an old client": gotOurs, "ours": gotTheirs} {
		if got > 0 && got < ttl || got == 0 && slack == 0 {
			t.Errorf("in %s, %s got after %v a lock that is held for %v", zone, who, got, ttl)
		}
	}
	if slack > 0 && gotOurs == 0 {
		db := p.open(zones(p.dialect)[0])
		await(t, "one of ours in another zone gets it without the slack", func() bool {
			return p.lock(ours.Key).Acquire(t.Context(), db, time.Millisecond) == nil
		})
	}
}

// The clock of the zone goes back, or forward, by an hour in the middle of a lease. Nobody gets the lock early. Where
// it goes back, those who read local time may get it up to an hour late; that is the slack.
func TestFix_DaylightSavingBeginsOrEnds(t *testing.T) {
	on(t, func(t *testing.T, d distrlock.Dialect) {
		for _, ends := range []bool{true, false} {
			if isMySQL(d) && !ends {
				continue // there old clients write themselves a lease that is too short
			}
			t.Run(fmt.Sprintf("ends %v", ends), func(t *testing.T) {
				t.Parallel()
				p := newTable(t, d)
				zone := zoneThatChanges(time.Now().Add(2*time.Second), ends)
				if isMySQL(d) {
					zone = p.zoneThatEnds(time.Now().Add(2 * time.Second))
				}
				slack := time.Duration(0)
				if ends {
					slack = time.Hour
				}
				takeBoth(t, p, zone, 4*time.Second, slack)
			})
		}
	})
}

// zoneThatEnds is zoneThatChanges for MySQL, whose zones are rows: daylight saving time ends there.
func (p *place) zoneThatEnds(at time.Time) string {
	p.t.Helper()
	conn, err := p.db.Conn(p.t.Context())
	must(p.t, err)
	defer conn.Close()
	for _, text := range []string{
		"INSERT INTO mysql.time_zone (Use_leap_seconds) VALUES ('N')",
		"SET @zone = LAST_INSERT_ID()",
		"INSERT INTO mysql.time_zone_name VALUES ('" + p.name + "', @zone)",
		"INSERT INTO mysql.time_zone_transition_type VALUES (@zone, 0, 3600, 0, 'AAA'), (@zone, 1, 7200, 1, 'BBB')",
		fmt.Sprintf("INSERT INTO mysql.time_zone_transition VALUES (@zone, %d, 1), (@zone, %d, 0)",
			at.AddDate(0, -6, 0).Unix(), at.Unix()),
	} {
		_, err := conn.ExecContext(p.t.Context(), text)
		must(p.t, err)
	}
	return p.name
}

// zoneThatChanges returns a zone one hour ahead of UTC, or two with daylight saving time, which ends or begins at
// an instant.
func zoneThatChanges(at time.Time, ends bool) string {
	const standard, daylight = 1, 2
	before := standard
	if ends {
		before = daylight
	}
	local := at.UTC().Add(time.Duration(before) * time.Hour)
	change := fmt.Sprintf("%d/%s", local.YearDay()-1, local.Format("15:04:05"))
	otherwise := fmt.Sprintf("%d/0:00:00", (local.YearDay()+150)%365)
	if ends {
		return fmt.Sprintf("AAA-%dBBB-%d,%s,%s", standard, daylight, otherwise, change)
	}
	return fmt.Sprintf("AAA-%dBBB-%d,%s,%s", standard, daylight, change, otherwise)
}
