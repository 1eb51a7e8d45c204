package explore

import (
	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/keepalive"
	"github.com/leaseholdgo/leasehold/internal/liveness"
)

// client is one client, as it sees itself. A pointer in it is to what is not changed any
// more; a step replaces it.
type client struct {
	number  int
	crashed bool

	lease  driver.ID // zero: none
	leases byte      // made so far
	trust  keepalive.Trust
	drawn  int // the tick of the last renewal: there is one a tick at the most

	renewal renewal
	attempt attempt
	tried   byte // attempts begun
	ghosts  bool // the database was failed over: release what we do not know

	watcher watcher
	grace   liveness.Grace
	watched uint64 // the epoch that grace is about
}

func newClient(number int) client {
	return client{number: number, watcher: watcher{tracker: liveness.New()}}
}

// renewal is one renewal of the lease.
type renewal struct {
	phase renewalPhase
	sent  byte // the tick
	reply driver.Renewal
	held  *driver.Hold  // what is held when the rows begin to be read again
	rows  []driver.Lock // as they were read
}

type renewalPhase byte

const (
	renewalIdle     renewalPhase = iota
	renewalAnswered              // the reply is on its way
	renewalRefused               // the reply that there is no row is on its way
	renewalAsking                // the rows are to be read again
	renewalRead                  // the rows are on their way
)

// attempt is one (name, lease, ticket) and what became of it.
type attempt struct {
	phase  attemptPhase
	name   byte
	lease  driver.ID
	ticket driver.ID
	reads  int // of the trust, before the call was sent
	added  int // of the trust, when notifications were first awaited
	terms  driver.Terms

	row   driver.Lock // the reply to Acquire on its way
	epoch uint64
	fence uint64 // of the grant believed in
	hint  uint64 // of the grant that a notification on its way tells of

	satisfied bool // nobody asks for it again
	doubted   bool // its trust was over when a tick began
}

type attemptPhase byte

const (
	attemptNone     attemptPhase = iota
	attemptAsking                // Acquire is to be sent, or on its way
	attemptAnswered              // the reply is on its way
	attemptRefused               // the reply that the lease has no row is on its way
	attemptWaiting               // in the queue, as far as it knows
	attemptProbing               // a try that was refused looks whether the holder is dead
	attemptHolding               // the lock was handed to the user
	attemptLost                  // the user was told that it is lost
	attemptLeaving               // Release is sent until it is answered
	attemptEnded
)

func (a *attempt) place() driver.Place { return driver.Place{Lease: a.lease, Ticket: a.ticket} }

func (a *attempt) hold(name string) driver.Hold {
	return driver.Hold{Attempt: driver.Attempt{Name: name, Lease: a.lease, Ticket: a.ticket}, Fence: a.fence}
}

// open reports whether something of the attempt may be stored.
func (a *attempt) open() bool { return a.phase != attemptNone && a.phase != attemptEnded }

// passed notes whether belief has ended, which it must not come back from.
func (c *client) passed(now int) {
	if c.attempt.phase == attemptHolding && !c.believes(now) {
		c.attempt.doubted = true
	}
}

// believes reports whether the client believes in its lock at this tick.
func (c *client) believes(now int) bool {
	return !c.crashed && c.attempt.phase == attemptHolding && c.attempt.lease == c.lease && c.trust.At(local(c.number, now))
}
