// Package table keeps locks in the table of pglock's clients, as a store of package
// leasehold. It is the mechanics of compat/pglock.
//
// # What the table knows
//
// A row says that a name is held, by a record version number (RVN): whoever wrote it
// owns the row while it stays what it is. A holder changes it again and again; who has
// seen it unchanged for a lease duration may replace it. Every write compares first and
// names what it expects, so no write undoes another.
//
// There are no queues, leases, tickets or clocks in such a table. What package driver
// wants of them is kept in memory, for one client: its attempts, run by
// internal/machine, and for a name that somebody else holds a stand-in for that holder,
// whose beat rises with each RVN that is seen. The table is asked before the lock is
// granted in memory, and told before the lock is free in memory.
//
// # Stamps
//
// An RVN that this client is going to write is drawn from the sequence beforehand: a
// stamp. Nobody else ever writes it, and it is written by one statement only, which
// takes a row only if it is sent once. So when the
// outcome of a statement is unknown, the few stamps that the row may bear are known, and
// the next statement expects any of them:
//
//   - a renewal whose reply was lost is simply followed by the next;
//   - a release that overtakes a renewal expects both RVNs, and the renewal, if it comes
//     to run later, finds neither of those that it expects;
//   - an acquisition that was given up, and comes to run later, leaves a row that nobody
//     believes in (a ghost), whose stamp is known: it is looked for, and removed, for a
//     long time after.
//
// Stamps that were drawn and not written are dropped after every failure, since a
// server that crashed may issue them again.
//
// # Renewal
//
// All rows of a lease get one new stamp in one statement, however many there are. It
// passes over rows that somebody else keeps locked, so that one stalled transaction does
// not cost the others. A row that an acquisition is about to write is among them: if
// it was written before the renewal, it is renewed too; otherwise it is younger than the
// renewal. Either way it outlives what the renewal makes its holder believe.
//
// # Waiting
//
// One statement that only reads asks for all names that are waited for and due. They are
// due often when their holder is new, and ever less often as it stays.
package table
