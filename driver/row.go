package driver

import (
	"iter"
	"slices"
	"time"
)

// Attempt is one request for a name, from request to release. Release and
// cancel name exactly the triple (name, lease, ticket), so nothing that was not
// granted to it can be released by it.
type Attempt struct {
	Name   string
	Lease  ID
	Ticket ID
	// Terms are what is asked for. Only Acquire reads them.
	Terms Terms
}

// Place is one entry of a row: who, by lease and ticket.
type Place struct {
	Lease  ID
	Ticket ID
}

// Place returns who makes the attempt.
func (a Attempt) Place() Place { return Place{Lease: a.Lease, Ticket: a.Ticket} }

// Waiter is one entry of a queue, with what it waits for.
type Waiter struct {
	Place
	Terms Terms
}

// Lock is a lock's row. The zero Lock with a Name is a name never locked.
//
// A name in use is either a lock, held by one alone or shared by many, or it has
// permits, with one limit; when nobody uses it, it is neither.
//
// The head of the queue never fits beside those who hold: whoever makes room
// grants it in the same write. Only while a row is kept, nobody may hold it and yet
// some wait.
type Lock struct {
	Name string
	// Fence is the fence of the last grant; 0 before the first. It outlives
	// the release.
	Fence uint64
	// Holder is who holds the lock alone, under Fence; zero if nobody does.
	Holder Place
	// Since is the instant of the holder's grant, by the store's clock, and Age
	// the time from then to the read, by the same clock. Both are for people:
	// nothing is decided by them. Zero without a holder.
	Since time.Time
	Age   time.Duration
	// Mark is not nil when the holder's grant was revoked.
	Mark *Mark
	// Members are those who share the lock or hold its permits, in the order of
	// their grants. There are none while there is a holder.
	Members []Grant
	// Limit is that of the permits that are held or waited for; 0 if there are none.
	Limit int
	// Queue holds the waiters, first come first.
	Queue []Waiter

	// KeptUntil is the instant, by the store's clock, until which the lock stays taken,
	// whatever becomes of the holder who asked for that; zero: nobody did. Kept is
	// the time from the read to then, by the same clock, if nobody holds the lock
	// any more; 0: it is not kept, or not any longer. A row with a queue that is not
	// any longer kept waits for the next call on it, for which TakeOver of nothing
	// will do.
	KeptUntil time.Time
	Kept      time.Duration

	// Data is what a holder stored with the lock. It is cleared when the last
	// holder goes, unless KeepData is set.
	Data     []byte
	KeepData bool
}

// Ahead returns how many waiters stand before p in the queue, or -1 if p is not
// in it. Those who hold are not counted.
func (l *Lock) Ahead(p Place) int {
	return slices.IndexFunc(l.Queue, func(w Waiter) bool { return w.Place == p })
}

// Places yields everybody in the row: those who hold, then those who wait.
func (l *Lock) Places() iter.Seq[Place] {
	return func(yield func(Place) bool) {
		if !l.Holder.Ticket.IsZero() && !yield(l.Holder) {
			return
		}
		for _, g := range l.Members {
			if !yield(g.Place) {
				return
			}
		}
		for _, w := range l.Queue {
			if !yield(w.Place) {
				return
			}
		}
	}
}

// Names reports whether the lease is in the row, as a holder or in the queue.
func (l *Lock) Names(lease ID) bool {
	for p := range l.Places() {
		if p.Lease == lease {
			return true
		}
	}
	return false
}

// Plain reports whether the row holds nothing but a holder of the lock alone and
// waiters for that: no member, no other terms, no minimum hold, no data.
func (l *Lock) Plain() bool {
	return len(l.Members) == 0 && l.Limit == 0 && l.KeptUntil.IsZero() && len(l.Data) == 0 &&
		!slices.ContainsFunc(l.Queue, func(w Waiter) bool { return w.Terms != Terms{} })
}

// Lease is what a client states about itself when it makes a lease.
type Lease struct {
	ID    ID
	TTL   time.Duration // whole milliseconds
	Owner string
	Info  Info
	// Fixed: its client does not renew it by itself, so it ends with its TTL though
	// the client lives; and the store's cap on TTLs does not apply to it.
	Fixed bool
}

// Info says where a lease's client runs. For people; nothing is decided by it.
type Info struct {
	Host string
	PID  int
	App  string
}

// LeaseState is a lease's row as a Read saw it.
type LeaseState struct {
	Lease
	// Beat is the record version number: every renewal raises it.
	Beat uint64
	// Age is the time since the last renewal by the store's clock. It may
	// time the next look and, with a tolerance, show a lease to be overdue.
	Age time.Duration
	// Liveness is what the store itself knows, by means other than time.
	Liveness Liveness
}

// Liveness is a store's own knowledge about a lease.
type Liveness int

const (
	// Unknown: only elapsed time can tell. The rule for databases on a network.
	Unknown Liveness = iota
	// Alive: the lease's client is known to live (the operating system says
	// so); it is never expired by elapsed time.
	Alive
	// Dead: the lease's client is known to be gone; it may be ended at once.
	Dead
)

// Renewal is the reply to CreateLease and RenewLease.
type Renewal struct {
	// Epoch numbers the incarnation of the database. A reply with another
	// epoch than before extends no trust until the held rows are read again.
	Epoch uint64
	// Notice is raised by every revocation of a lock of this lease. A reply
	// with another notice than before extends no trust until the held rows
	// are read again.
	Notice uint64
}
