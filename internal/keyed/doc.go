// Package keyed keeps locks that a server knows as keys, each held by one session of the
// server or shared by several: advisory locks of PostgreSQL, named locks of MySQL, or rows
// of a table that name their holder.
//
// # Two sides of a name
//
// The server knows a name as a key, and lets one [Session] hold it, or several share it. It
// cannot keep apart the goroutines and clients that use one session. They are kept apart
// here: a [Table] has the rows and leases of package driver in memory, run by
// internal/machine as by any other store.
//
// The two sides are joined by one rule: a row that grants its lock to somebody who
// lives has the key first, exclusive or shared as the grant is. A grant that needs
// more of the key than the session has is asked for at the server, together with
// everything else that is asked for at that moment, and is made if the
// server says yes. If it says no, a holder from elsewhere is put into the row in memory
// (see foreign): the row is then like any that is held, and those who wait for it queue.
// Those rows are polled, all that are due at a time.
//
// A lock that is released passes to the next in its queue in memory; the session keeps
// the key. When nobody in the process waits for it, it is given back, and only then is
// the release answered.
//
// # Liveness
//
// All leases of a Table live in one session and end with it. A renewal asks the session
// whether it is there. A lease ends at the instant at which the session is seen to have
// ended, or when nobody has renewed it for three times its TTL.
//
// # Fences
//
// They are drawn by the server after it has carried out the steps that they are for. While
// the session keeps a key for itself alone nobody else can be granted the name, so fences
// for those who queue may be drawn ahead.
package keyed
