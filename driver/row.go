package driver

import (
	"slices"
	"time"
)

// Attempt is one request for a name, from request to release. Release and
// cancel name exactly this triple, so nothing that was not granted to it can
// be released by it.
type Attempt struct {
	Name   string
	Lease  ID
	Ticket ID
}

// Place is one entry of a queue, or the holder: who, by lease and ticket.
type Place struct {
	Lease  ID
	Ticket ID
}

// Place returns the attempt without its name.
func (a Attempt) Place() Place { return Place{Lease: a.Lease, Ticket: a.Ticket} }

// Lock is a lock's row. The zero Lock with a Name is a name never locked.
//
// A row without a holder has an empty queue: whoever clears the holder promotes
// the head of the queue in the same write.
type Lock struct {
	Name string
	// Fence is the fence of the last grant; 0 before the first. It outlives
	// the release.
	Fence uint64
	// Holder is zero when the lock is free.
	Holder Place
	// Since is the instant of the last grant, by the store's clock, and Age
	// the time from then to the read, by the same clock. Both are for people:
	// nothing is decided by them. Zero when free.
	Since time.Time
	Age   time.Duration
	// Mark is not nil when the grant in force was revoked.
	Mark *Mark
	// Queue holds the waiters, first come first.
	Queue []Place
}

// Held reports whether the lock has a holder.
func (l *Lock) Held() bool { return !l.Holder.Ticket.IsZero() }

// HeldBy reports whether p is the holder.
func (l *Lock) HeldBy(p Place) bool { return l.Held() && l.Holder == p }

// Ahead returns how many waiters stand before p in the queue, or -1 if p is not
// in it. The holder is not counted.
func (l *Lock) Ahead(p Place) int { return slices.Index(l.Queue, p) }

// Names reports whether the row names the lease, as holder or in the queue.
func (l *Lock) Names(lease ID) bool {
	return l.Held() && l.Holder.Lease == lease ||
		slices.ContainsFunc(l.Queue, func(p Place) bool { return p.Lease == lease })
}

// Mark says that a grant was revoked, by whom and why.
type Mark struct {
	By     string
	Reason string
	// At is the instant of the mark by the store's clock, which sets it, and
	// Age the time from then to the read.
	At  time.Time
	Age time.Duration
}

// Lease is what a client states about itself when it makes a lease.
type Lease struct {
	ID    ID
	TTL   time.Duration // whole milliseconds
	Owner string
	Info  Info
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
