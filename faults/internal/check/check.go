// Package check judges a history: whether what the clients were told, and what
// was left in the database, is what mutual exclusion allows.
//
// It is sound, not complete: what it reports is a violation, given the clock of
// the machine; a violation between two readings of that clock escapes it. Where it
// cannot be known what happened (a process was killed before it had recorded it, a
// reply was lost), what is allowed is assumed.
//
// # What is checked
//
// Beliefs in one name never overlap, except those of readers who share it, and those in
// permits up to the limit. A belief lasts from the return of the acquisition
// to the trust deadline as the client computed it, unless the client let go, closed
// or was killed before; a loss that it notices earlier does not shorten it. Nobody
// says that a lock is held after its deadline, and no deadline is later than the TTL
// less the margin after the grant.
//
// The history of each name is linearizable: it is that of a lock with owners, held by one
// alone, shared, or with permits, whose fences rise.
//
// A minimum hold is kept, by the database's clock, which the fences show: so its steps need
// no allowance.
//
// First come, first served, in all modes: whoever is in the queue before another one asks is granted
// the lock before that one. While somebody waits, there is not room for one more for
// longer than some TTLs and the faults in progress. Both for those whose lease is
// sure to have lived, and not across a failover, which may lose the queue.
//
// Guarded counters are exact: no increment is lost, repeated, or written by one who
// was not, or not any more, the holder. In a failover to an asynchronous standby,
// and in no other, increments that were acknowledged before may be lost: the last
// ones, none from among them, and counter and ledger agree. A reader sees, in one guarded
// transaction, the increments of all writers before it and of none after it.
//
// At the end nothing is held, queued or leased by nobody.
package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/leaseholdgo/leasehold/faults/internal/database"
	"github.com/leaseholdgo/leasehold/faults/internal/history"
)

// Remains are what is in the database when all clients have ended.
type Remains struct {
	Counters map[string]int64
	Ledger   []database.Entry
	Owners   []string // of the leases that have a row

	// Stuck are the names that a client could not acquire in time, though no other one
	// had them any more.
	Stuck []string
	// Taken are the names whose row has a holder or a queue after that.
	Taken []string
	// Rows say of the names taken who is in their rows, for people.
	Rows map[string]string
}

// Kind names a rule.
type Kind string

// The rules.
const (
	// Overlap: two believed at one instant that they held the same name, or more
	// that they had a permit than there are.
	Overlap Kind = "overlap"
	// Linear: no order of acquisitions and ends of holds, each at some instant
	// between its call and its return, explains what was returned.
	Linear Kind = "linearizability"
	// Fence: a fence was given twice, or does not rise with the grants.
	Fence Kind = "fence"
	// Belief: a client believed in its lock after its trust deadline, or that
	// deadline was too late.
	Belief Kind = "belief"
	// Order: somebody was granted a lock who had asked for it after another was
	// in the queue, and before that one was granted it.
	Order Kind = "order"
	// Wait: somebody waited for too long while there was room.
	Wait Kind = "wait"
	// Keep: a lock was granted before a minimum hold was over.
	Keep Kind = "minimum hold"
	// Counter: an increment was lost, appeared from nowhere, was written by
	// somebody who had let go of the lock or lost it to another, or was seen by a
	// reader when it must not be.
	Counter Kind = "counter"
	// Refusal: an acquisition was refused, on the grounds that the name is in use in another way,
	// though all use it in one.
	Refusal Kind = "refusal"
	// Ghost: something is held, queued or leased by nobody.
	Ghost Kind = "ghost"
)

// Violation is one breach of a rule.
type Violation struct {
	Kind Kind
	Name string // of the lock; may be empty
	Text string

	// From and To are the instants that it is about; 0 if it is about none.
	From, To time.Duration
	// Fences are those of the grants concerned.
	Fences []uint64
	// Late: it may be that the grant came first, and its client was told of it later than
	// another of a later one. Where clients are told too late is still a breach.
	Late bool
}

func (v Violation) String() string {
	if v.Name == "" {
		return fmt.Sprintf("%s: %s", v.Kind, v.Text)
	}
	return fmt.Sprintf("%s of %q: %s", v.Kind, v.Name, v.Text)
}

// Run returns all violations in a history, whose events are in order of their
// instants, and in what remains. ttl is that of all clients.
func Run(events []history.Event, remains Remains, ttl time.Duration) []Violation {
	grants := collect(events)
	var all []Violation
	all = append(all, overlaps(grants)...)
	all = append(all, linear(grants)...)
	all = append(all, fences(grants)...)
	all = append(all, orders(events, grants)...)
	all = append(all, waits(events, grants, ttl)...)
	all = append(all, keeping(events, grants)...)
	all = append(all, beliefs(events, ttl)...)
	all = append(all, counters(events, remains)...)
	all = append(all, looks(events, remains)...)
	all = append(all, refusals(events)...)
	all = append(all, ghosts(events, remains, ttl)...)
	slices.SortStableFunc(all, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Text, b.Text))
	})
	return all
}

func violation(kind Kind, name, format string, args ...any) Violation {
	return Violation{Kind: kind, Name: name, Text: fmt.Sprintf(format, args...)}
}

// during returns v with the instants that it is about.
func (v Violation) during(from, to time.Duration) Violation {
	v.From, v.To = min(from, to), max(from, to)
	return v
}

// fence returns v with the fence of the one grant concerned.
func (v Violation) fence(fence uint64) Violation {
	v.Fences = append(v.Fences, fence)
	return v
}

// of returns v with the grants concerned.
func (v Violation) of(grants ...*grant) Violation {
	for _, g := range grants {
		v.Fences = append(v.Fences, g.fence)
	}
	return v
}
