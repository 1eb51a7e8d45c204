package table

import (
	"context"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/clock"
)

// row is what the client knows of a name. Table.mu guards it.
type row struct {
	lock driver.Lock
	busy chan struct{} // holds one: whose call changes the row in the table
	uses int           // calls that have it or wait for busy

	// stamps are those that the row in the table may bear. While pending it is not known
	// that it bears any.
	stamps  []int64
	lease   driver.ID // under which they were written
	pending bool
	leaving bool // its release has begun: it is renewed no more

	rvn    int64 // the last that the row was known to bear, of ours
	data   []byte
	keep   bool      // the row outlives the release
	sent   time.Time // when the last statement was sent that gave it an RVN
	turn   time.Time // since when the client has had the name, with short pauses
	freed  time.Time // when it last gave it up
	change int       // counts the calls that changed it, so that late news is told from new

	old time.Time // when an old client is expected to ask for the row

	foreign foreign
	dead    []int64 // an RVN that was seen unchanged for so long that it may be replaced
}

// foreign is a holder that is not this client.
type foreign struct {
	place driver.Place // its stand-in in the row in memory
	rvn   int64
	xmin  int64 // the transaction that wrote rvn, or the same again; 0: unknown
	owner string
	beat  uint64
	beats time.Time // when rvn was first seen
	since time.Time // when the holder was first seen
	look  time.Time // when the row was last looked at
	due   time.Time // when it is to be looked at again
	ended bool
}

// use returns the row of name for one call after the other. The caller calls t.done.
func (t *Table) use(ctx context.Context, name string) (*row, error) {
	t.mu.Lock()
	r := t.rows[name]
	if r == nil {
		r = &row{busy: make(chan struct{}, 1)}
		r.lock.Name = name
		t.rows[name] = r
		r.uses++
		t.sweepRows()
		r.uses--
	}
	r.uses++
	t.mu.Unlock()
	select {
	case r.busy <- struct{}{}:
		return r, nil
	case <-ctx.Done():
		t.mu.Lock()
		defer t.mu.Unlock()
		r.uses--
		return nil, ctx.Err()
	}
}

func (t *Table) done(r *row) {
	t.mu.Lock()
	r.uses--
	r.change++
	t.forgetIdle(r, clock.Now())
	<-r.busy
	if r.isForeign() && len(r.lock.Queue) > 0 {
		t.wake()
	}
	t.mu.Unlock()
}

// forgetIdle drops a row of which nothing needs to be known. What is known of foreign
// holders is kept for a while, so that one who tries again later can judge them.
func (t *Table) forgetIdle(r *row, now time.Time) {
	if r.uses > 0 || r.own() || len(r.lock.Queue) > 0 || len(r.stamps) > 0 || len(r.dead) > 0 || now.Sub(r.freed) < yield {
		return
	}
	if r.isForeign() && now.Sub(r.foreign.look) < memory {
		return
	}
	t.unsee(r)
	delete(t.rows, r.lock.Name)
}

const (
	memory   = time.Hour // how long a foreign holder is remembered by a client that does not ask again
	manyRows = 1024
)

// sweepRows drops what is not needed, now and then.
func (t *Table) sweepRows() {
	if len(t.rows) < manyRows || len(t.rows)&(len(t.rows)-1) != 0 {
		return
	}
	now := clock.Now()
	for _, r := range t.rows {
		t.forgetIdle(r, now)
	}
}

// isForeign reports whether somebody else holds the row, as far as is known.
func (r *row) isForeign() bool {
	return !r.foreign.place.Ticket.IsZero() && r.lock.Holder == r.foreign.place
}

// own reports whether this client holds the row, or has not finished giving it up.
func (r *row) own() bool { return r.lock.Held() && !r.isForeign() }

// see notes that the row bears an RVN of somebody else's, in a reply received at the
// instant at.
func (t *Table) see(r *row, rvn int64, owner string, at time.Time) {
	f := &r.foreign
	switch {
	case !r.isForeign() || f.ended && (f.rvn != rvn || rvn == 0):
		t.unsee(r)
		*f = foreign{place: driver.Place{Lease: driver.NewID(), Ticket: driver.NewID()}, rvn: rvn, owner: owner, beat: 1, beats: at, since: at}
		t.others[f.place.Lease] = r
		r.lock.Holder, r.dead = f.place, nil
	case f.rvn != rvn:
		f.rvn, f.xmin, f.beat, f.beats = rvn, 0, f.beat+1, at
	}
	if f.owner != owner {
		f.owner, f.since = owner, at
	}
	f.look = at
	f.due = at.Add(pollPause(at.Sub(f.since)))
}

// unsee notes that nobody else holds the row.
func (t *Table) unsee(r *row) {
	if r.isForeign() {
		r.lock.Holder = driver.Place{}
	}
	delete(t.others, r.foreign.place.Lease)
	r.foreign, r.dead = foreign{}, nil
}

// await makes the row look held until the instant due, when the table is asked.
func (t *Table) await(r *row, now, due time.Time) {
	t.see(r, 0, "", now)
	r.foreign.due = due
	t.wake()
}

// vacate notes that nobody holds the row in the table. Where somebody waits for it, the
// stand-in stays until the table has been asked on behalf of the first of them: its lease
// is gone, so that the engine sees to that.
func (t *Table) vacate(r *row) {
	if len(r.lock.Queue) == 0 {
		t.unsee(r)
		return
	}
	delete(t.others, r.foreign.place.Lease)
	r.foreign.ended, r.dead = true, nil
}

// turnTime is how long a client may keep a name to itself, if it releases it and takes it
// again at once, before it leaves it free for as long as yield.
const (
	turnTime = 100 * time.Millisecond
	yield    = 30 * time.Millisecond
)

func (r *row) turnOver(now time.Time) bool {
	return now.Sub(r.freed) < yield && r.freed.Sub(r.turn) > turnTime
}

// isDue reports whether a look at the row may show something new.
func (r *row) isDue(now time.Time) bool {
	if r.foreign.rvn == 0 {
		return !now.Before(r.foreign.due)
	}
	return now.Sub(r.foreign.look) >= leastPause
}

// expected returns the RVNs that the client may replace.
func (t *Table) expected(r *row) []int64 {
	rvns := slices.Concat(r.stamps, r.dead)
	for _, g := range t.ghosts {
		if g.name == r.lock.Name {
			rvns = append(rvns, g.stamps...)
		}
	}
	return rvns
}

// snapshot returns the row in memory, for somebody else to keep.
func (r *row) snapshot() driver.Lock {
	l := r.lock
	l.Queue = slices.Clone(l.Queue)
	return l
}

func (t *Table) wake() {
	select {
	case t.poke <- struct{}{}:
	default:
	}
}
