package driver

import (
	"context"
	"os"
	"time"
)

// Store makes connections for clients. It is safe for concurrent use, and one
// Store may serve any number of clients.
type Store interface {
	// Connect checks that the store can be used (reachable, schema present and
	// of a protocol we speak, TTL within its cap) and returns a Conn for one
	// client. Errors say what to do.
	Connect(ctx context.Context, settings Settings) (Conn, error)
}

// Settings are what a client tells its store.
type Settings struct {
	// TTL of the client's leases. Statement and lock timeouts stay below it.
	TTL time.Duration

	// Tolerance allows for steps of the store's clock where that clock may end a
	// pause in granting (see [Conn].Acquire); 0: a default, negative: no clock may.
	Tolerance time.Duration
}

// Conn is one client's access to a store. All methods are safe for concurrent
// use and return when ctx ends, whatever state the network is in; ctx ends may
// cost the underlying connection, so callers use contexts of their own making,
// bounded by a timeout, and not those of their users.
//
// No method takes longer than its statement: a row that somebody else keeps
// locked (a guard, a stalled backend) gives a result that says so or an error,
// within a fraction of the TTL.
type Conn interface {
	// CreateLease makes the lease's row, or renews it if it exists, so that
	// repeating a call whose reply was lost is safe. One write.
	CreateLease(ctx context.Context, lease Lease) (Renewal, error)

	// RenewLease raises the beat of the lease. It never waits behind any other
	// call on this Conn. ErrLeaseGone: there is no such row. One write, of one
	// row, whatever the number of locks.
	RenewLease(ctx context.Context, id ID) (Renewal, error)

	// EndLease deletes a lease's row if the grounds hold, which are checked
	// under its row lock, and reports whether the row is gone (also true when
	// it was gone before). The locks it held are not touched: whoever needs
	// one takes it over.
	EndLease(ctx context.Context, id ID, grounds Grounds) (bool, error)

	// Acquire grants the lock to the attempt if its terms fit beside those who
	// hold and nobody waits, and otherwise, if wait is set, appends the attempt to
	// the queue. If the attempt already holds or waits, nothing changes, whatever
	// its terms. The reply is the row after the call; the lock is granted if and
	// only if reply.Lock.HeldBy(attempt.Place()). ErrLeaseGone: the attempt's lease
	// has no row; *ModeError: the name is in use in another way; ErrUnsupported: the
	// store lacks the mode; nothing was changed. One round trip.
	//
	// After a change of the store's incarnation that may have lost grants, nothing
	// is granted until every trust from before is over. While that lasts Acquire that
	// would grant or queue returns an error that is not permanent, Release that would
	// make room for somebody in the queue reports Busy, and TakeOver hands nothing
	// over. The Conn ends the pause itself, in a call that finds its time over.
	Acquire(ctx context.Context, attempt Attempt, wait bool) (Reply, error)

	// Release ends the attempt: what it holds it gives up, and if it waits, it leaves
	// the queue. Those at the head of the queue for whom that makes room are granted
	// the lock in the same write, each with a new fence, and only their clients are
	// notified. One round trip as a rule.
	Release(ctx context.Context, attempt Attempt) (Outcome, error)

	// TakeOver removes from a lock what has ended: holders and waiters whose
	// lease is among gone, and the holder whose grant under the fence ended was
	// revoked (0: none), and grants the lock to those at the head of what remains
	// of the queue for whom there is room, as Release does. So with neither it
	// serves a lock whose minimum hold is over. It does nothing while a guard of
	// the holder's is in progress: the caller tries again. The caller has shown in
	// an earlier call that the gone leases have no row, and that the revoked
	// grant's time is over or waived.
	TakeOver(ctx context.Context, name string, gone []ID, ended uint64) error

	// Revoke marks the grant of name under fence as revoked, raises the notice
	// of the holder's lease in the same transaction, and notifies its client.
	// ErrNotHeld: nobody holds name under fence. Marking twice keeps the first
	// mark. The caller ends the grant later, with TakeOver. Where the holder of that
	// grant has gone and only its minimum hold keeps the lock taken, that ends at
	// once.
	Revoke(ctx context.Context, name string, fence uint64, mark Mark) error

	// Read returns rows, with the leases they name, from one snapshot, and
	// takes no lock. A lease that a row names and View.Leases lacks is gone for
	// ever.
	Read(ctx context.Context, query Query) (View, error)

	// Close ends what the Conn opened, and nothing that its Store was given.
	// It does not end leases. Calls in progress return an error.
	Close() error
}

// Grounds is why a lease may be ended. Exactly one field is set.
type Grounds struct {
	// Own: by its own client, unconditionally.
	Own bool
	// Observed: the caller has seen this beat unchanged for long enough. The
	// row is deleted only if it still has this beat. (Beat is never 0.)
	Observed uint64
	// Overdue: the row is deleted only if it was last renewed longer than its
	// TTL plus this tolerance ago, by the store's clock.
	Overdue time.Duration
	// Dead: the row is deleted only if the store itself knows the lease's
	// client to be gone.
	Dead bool
}

// Reply is the reply to Acquire.
type Reply struct {
	Lock  Lock
	Epoch uint64
}

// Outcome is what Release found and did.
type Outcome int

const (
	// Absent: the attempt neither held nor waited.
	Absent Outcome = iota
	// Released: the attempt held; now it does not.
	Released
	// Cancelled: the attempt waited; now it does not.
	Cancelled
	// Busy: the attempt holds, but its row is locked by somebody else (a
	// guarded transaction in progress), or its end would make room for somebody and
	// nothing is granted now. Nothing was changed; call again.
	Busy
)

// Query says which rows to read. Either Names is set, or Lease, or the fields after
// it page through the table in byte order of the name.
type Query struct {
	Names []string // rows of these names; those that do not exist are left out

	// Lease: the rows that name this lease, as holder or in the queue. It looks at
	// every row there is: for rare use.
	Lease ID

	Prefix string // names that start with it; empty: all
	After  string // names after this one; empty: from the first
	Limit  int    // at most this many rows; at least 1

	// Keepalive: the read is part of a renewal, and like RenewLease it waits
	// behind no other call.
	Keepalive bool
}

// View is the reply to Read: rows and the leases they name, in one snapshot.
type View struct {
	Locks  []Lock
	Leases map[ID]LeaseState
	Epoch  uint64
}

// Listener is implemented by a Conn whose store can tell that something changed.
// A Conn without it is polled.
type Listener interface {
	// Listen calls wake when a lock may have been granted to, or revoked from,
	// the lease; and with the zero Hint when anything may have changed: once
	// when it starts to listen, and after every gap. It returns when ctx ends,
	// or with an error when it can no longer listen. wake does not block.
	Listen(ctx context.Context, lease ID, wake func(Hint)) error
}

// Hint is what a Listener says. The row is looked at before anything is made of it,
// unless it carries a grant.
type Hint struct {
	Name string // whose row to look at; empty: every row's

	// Ticket and Fence, if not zero, say that the lock was granted to this
	// ticket under this fence, by a write that was committed and durable
	// before the hint was sent. The hint may arrive late: the grant may have
	// ended since, as it may have when the reply to Acquire arrives late.
	Ticket ID
	Fence  uint64
}

// Starter is implemented by a Conn that needs no goroutine for each call in progress.
type Starter interface {
	// StartAcquire is Acquire that does not block: its result goes to done, once, from
	// another goroutine, soon after ctx ends at the latest. done does not block either.
	StartAcquire(ctx context.Context, attempt Attempt, wait bool, done func(Reply, error))
	// StartRelease is Release in the same way.
	StartRelease(ctx context.Context, attempt Attempt, done func(Outcome, error))
}

// Watcher is implemented by a Conn whose store learns by itself, and at once, that a lease
// has ended: where leases live in a connection, for one.
type Watcher interface {
	// Watch returns when the lease has ended, with an error that matches ErrLeaseGone
	// and says why; or when ctx has, or the Conn was closed, with another one.
	Watch(ctx context.Context, lease ID) error
}

// Fenceless is implemented by a Conn whose grants have no fence that means anything to
// others: their numbers tell grants apart, and users do not get to see them.
type Fenceless interface{ Fenceless() }

// Inheritor is implemented by a Conn whose leases live as long as an open file
// of the operating system does.
type Inheritor interface {
	// LeaseFile returns the file whose lock keeps the lease alive. A child
	// process that inherits it keeps the lease alive too. The caller does not
	// close it.
	LeaseFile(id ID) (*os.File, error)
}

// DataKeeper is implemented by a Conn whose store keeps data with a lock.
type DataKeeper interface {
	// SetData sets the data of the lock that the attempt holds; none clears it. It
	// stays until the last holder goes, or if keep is set, until it is set again.
	// ErrNotHeld: the attempt does not hold; nothing was changed. One write.
	SetData(ctx context.Context, attempt Attempt, data []byte, keep bool) error
}

// Hold is a lock in a client's hand, as backends see it: what a guard checks.
type Hold struct {
	Attempt
	Fence uint64
	Conn  Conn
}
