package machine_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/leaseholdgo/leasehold/driver"
)

// TestTransitions drives one row through random calls of many clients: leases
// that die, attempts, cancels, take-overs, revocations, lost replies, calls that
// are repeated long after, clock steps, and the row's clean-up.
func TestTransitions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		t.Repeat(map[string]func(*rapid.T){
			"connect":  w.connect,
			"acquire":  w.someAcquire,
			"release":  w.someRelease,
			"die":      w.someDeath,
			"takeOver": w.someTakeOver,
			"revoke":   w.someRevoke,
			"end":      w.endOfRevoked,
			"data":     w.someData,
			"repeat":   w.repetition,
			"look":     w.look,
			"clock":    w.clockStep,
			"sweep":    w.sweep,
			"":         w.judgeRow,
		})
		w.judgeProgress(t)
	})
}

func (w *world) connect(t *rapid.T) {
	if len(w.leases) < 4 {
		w.leases = append(w.leases, driver.NewID())
	}
}

// someAcquire makes a new attempt. Its repetition, while the attempt has not
// been released, is what a client does whose reply was lost.
func (w *world) someAcquire(t *rapid.T) {
	if len(w.leases) == 0 {
		t.Skip("nobody is connected")
	}
	a := driver.Attempt{
		Name: "n", Lease: rapid.SampledFrom(w.leases).Draw(t, "lease"), Ticket: driver.NewID(), Terms: someTerms(t),
	}
	wait, lost := rapid.Bool().Draw(t, "wait"), rapid.Bool().Draw(t, "lost")
	w.asked = append(w.asked, a.Place())
	w.remember(t, func(t *rapid.T) {
		if slices.Contains(w.leases, a.Lease) && slices.Contains(w.asked, a.Place()) {
			w.acquire(t, a, wait, lost)
		}
	})
}

// someTerms are those of a lock most often, so that few attempts are refused.
func someTerms(t *rapid.T) driver.Terms {
	return rapid.SampledFrom([]driver.Terms{
		{}, {}, {}, {Mode: driver.Shared}, {Mode: driver.Shared}, {Mode: driver.Shared},
		{MinHold: 3 * time.Second}, {MinHold: 10 * time.Millisecond},
		{Mode: driver.Permit, Limit: 2}, {Mode: driver.Permit, Limit: 2}, {Mode: driver.Permit, Limit: 3},
	}).Draw(t, "terms")
}

// someRelease ends any attempt: one that holds, waits, has ended before, or
// belongs to a dead lease. Afterwards nobody sends its acquire again.
func (w *world) someRelease(t *rapid.T) {
	if len(w.asked) == 0 {
		t.Skip("nobody asked")
	}
	p := rapid.SampledFrom(w.asked).Draw(t, "attempt")
	w.asked = slices.DeleteFunc(w.asked, func(q driver.Place) bool { return q == p })
	w.remember(t, func(t *rapid.T) { w.release(t, p) })
}

// someDeath removes a lease's row. Its client's trust has ended before: that is
// the engine's part.
func (w *world) someDeath(t *rapid.T) {
	if len(w.leases) == 0 {
		t.Skip("nobody is connected")
	}
	id := rapid.SampledFrom(w.leases).Draw(t, "lease")
	w.leases = slices.DeleteFunc(w.leases, func(q driver.ID) bool { return q == id })
	w.dead = append(w.dead, id)
	for p := range w.promised {
		if p.Lease == id {
			delete(w.promised, p)
		}
	}
}

// someTakeOver names any of the dead, whether or not they are in the row.
func (w *world) someTakeOver(t *rapid.T) {
	if len(w.dead) == 0 {
		t.Skip("nobody died")
	}
	gone := rapid.SliceOfDistinct(rapid.SampledFrom(w.dead), driver.ID.String).Draw(t, "gone")
	w.remember(t, func(t *rapid.T) { w.takeOver(t, gone, 0) })
}

// someRevoke marks a grant in force, or tries one that is over.
func (w *world) someRevoke(t *rapid.T) {
	fence := w.someFence(t)
	reason := rapid.StringMatching(`[a-z]{1,3}`).Draw(t, "reason")
	w.remember(t, func(t *rapid.T) { w.revoke(t, fence, reason) })
}

// endOfRevoked ends a grant by its fence, which does something only if the
// grant is in force and marked. The holder's time is over then.
func (w *world) endOfRevoked(t *rapid.T) {
	fence := w.someFence(t)
	w.remember(t, func(t *rapid.T) { w.takeOver(t, nil, fence) })
}

// someFence is that of a grant in force, or one of before.
func (w *world) someFence(t *rapid.T) uint64 {
	fences := []uint64{w.row.Fence, w.row.Fence - min(1, w.row.Fence)}
	for g := range w.row.Grants() {
		fences = append(fences, g.Fence)
	}
	return rapid.SampledFrom(fences).Draw(t, "fence")
}

// someData is set by anybody who ever asked.
func (w *world) someData(t *rapid.T) {
	if len(w.asked) == 0 {
		t.Skip("nobody asked")
	}
	p := rapid.SampledFrom(w.asked).Draw(t, "attempt")
	data, keep := []byte(rapid.StringN(0, 2, -1).Draw(t, "data")), rapid.Bool().Draw(t, "keep")
	w.remember(t, func(t *rapid.T) { w.setData(t, p, data, keep) })
}

// repetition makes any earlier call again.
func (w *world) repetition(t *rapid.T) {
	if len(w.history) == 0 {
		t.Skip("nothing was called")
	}
	rapid.SampledFrom(w.history).Draw(t, "call")(t)
}

// look is how a waiter, or somebody whose reply was lost, learns of a grant. A
// row that is not kept any longer is taken over from nobody.
func (w *world) look(t *rapid.T) {
	for g := range w.row.Grants() {
		if slices.Contains(w.leases, g.Lease) && slices.Contains(w.asked, g.Place) {
			w.tell(g.Place)
		}
	}
	w.takeOver(t, nil, 0)
}

// clockStep lets the database's clock run, stand still, or step back.
func (w *world) clockStep(t *rapid.T) {
	w.now = w.now.Add(time.Duration(rapid.IntRange(-10_000, 10_000).Draw(t, "ms")) * time.Millisecond)
}

// sweep deletes the row of a lock that has been free for a day.
func (w *world) sweep(t *rapid.T) {
	w.now = w.now.Add(24 * time.Hour)
	if w.row.Held() || len(w.row.Queue) > 0 || w.row.KeepData {
		t.Skip("in use")
	}
	w.row, w.keptUntil = driver.Lock{Name: w.row.Name}, time.Time{}
}
