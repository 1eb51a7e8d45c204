// Package history records what clients and nemeses did, and when, so that it can
// be checked afterwards.
//
// Instants are of CLOCK_BOOTTIME: they count suspension, and those of all processes
// of one machine are comparable. Where an instant cannot be known exactly, the one
// recorded errs to the side on which a check may miss something but accuses
// nobody wrongly.
package history

import (
	"strings"
	"time"
)

// Kind says what happened.
type Kind string

// What a client records. Op numbers the acquisition that the event belongs to.
const (
	Opened   Kind = "opened"   // a client was opened
	Closing  Kind = "closing"  // its Close is about to be called: it believes in nothing from here on
	Closed   Kind = "closed"   // its Close returned
	Called   Kind = "called"   // an acquisition is about to begin; it is not given up before Until, if that is not 0
	Queued   Kind = "queued"   // it is in the database's queue
	Granted  Kind = "granted"  // it returned a lock: Fence, Lease, and Until as in Believed
	Refused  Kind = "refused"  // it returned none; Detail says why
	Believed Kind = "believed" // Held was true at an instant not before At, when the deadline was in [Until, Limit]
	Lost     Kind = "lost"     // the lock's context has ended by loss; Detail says why
	LetGo    Kind = "let go"   // Release or Close of the lock is about to be called
	Released Kind = "released" // it returned; Detail is empty or says what it returned

	Asked    Kind = "asked"    // a look at a lock, or at all of them, is about to begin
	Revoking Kind = "revoking" // a revocation of what somebody else holds, under Fence, is about to begin
	Revoked  Kind = "revoked"  // it returned; Detail is empty or says what it returned

	Begun   Kind = "begun"   // a guarded increment, ID, is about to begin
	Acked   Kind = "acked"   // its commit succeeded
	Aborted Kind = "aborted" // it failed before its commit was sent
	Unknown Kind = "unknown" // its commit failed

	// Looked: a reader's guarded transaction has read the counter, twice: First and then
	// Second.
	Looked Kind = "looked"
)

// What the nemeses record. Client is the victim; empty: the server.
const (
	Fault  Kind = "fault"  // Detail names it
	Healed Kind = "healed" // the end of a fault that lasts
	Killed Kind = "killed" // the process Client is about to be killed

	// Promoted: a standby takes the primary's place. At is an instant before the
	// old primary was killed; Detail is Async if the standby may lack what the old
	// primary had confirmed, and Sync if it may not.
	Promoted Kind = "promoted"
)

// Details of Promoted.
const (
	Async = "async"
	Sync  = "sync"
)

// OtherMode is the Detail of a Refused acquisition of a name that is in use in another way.
const OtherMode = "in use in another way"

// Mode is how a lock is held.
type Mode string

// The modes.
const (
	Exclusive Mode = ""       // nobody else holds it
	Shared    Mode = "shared" // others may share it
	Permit    Mode = "permit" // others may hold permits too, up to the limit
)

// Terms are what was asked for, of a Called and a Granted. The zero Terms ask for the
// lock alone.
type Terms struct {
	Mode    Mode          `json:"mode,omitempty"`
	Permits int           `json:"permits,omitempty"`  // the limit
	MinHold time.Duration `json:"min_hold,omitempty"` // it stays taken for so long, by the database's clock
	TTL     time.Duration `json:"ttl,omitempty"`      // of its own lease, not kept alive; 0: that of all clients
	Parts   int           `json:"parts,omitempty"`    // it is one of so many names that are acquired together
}

// Event is one line of a history.
type Event struct {
	At     time.Duration `json:"at"`
	Client string        `json:"client,omitempty"`
	Kind   Kind          `json:"kind"`
	Op     uint64        `json:"op,omitempty"`
	Name   string        `json:"name,omitempty"`
	Fence  uint64        `json:"fence,omitempty"`
	Until  time.Duration `json:"until,omitempty"`
	Limit  time.Duration `json:"limit,omitempty"`
	ID     string        `json:"id,omitempty"`
	Lease  string        `json:"lease,omitempty"`
	Detail string        `json:"detail,omitempty"`
	First  int64         `json:"first,omitempty"`
	Second int64         `json:"second,omitempty"`
	Terms
}

// Process returns the process of a client: of "3.2.1", the first client that the
// second process in place 3 opened, it is "3.2".
func Process(client string) string {
	place, rest, _ := strings.Cut(client, ".")
	nth, _, _ := strings.Cut(rest, ".")
	return place + "." + nth
}
