// Package advisory holds locks through advisory locks of PostgreSQL: it is the
// mechanics of postgres.NewSession.
//
// # Two sides of a name
//
// The server knows a name as a 64-bit key ([Key]), and lets one database session hold
// it, or several share it. A session may take a key that it has any number of times, so
// the server cannot keep apart the goroutines and clients that use one session. They
// are kept apart here: a [Table] has the rows and leases of package driver in
// memory, run by internal/machine as by any other store.
//
// The two sides are joined by one rule: a row that grants its lock to somebody who
// lives has the key first, exclusive or shared as the grant is. A grant that needs
// more of the key than the session has is asked for at the server, in the same
// statement with everything else that is asked for at that moment, and is made if the
// server says yes. If it says no, a holder from elsewhere is put into the row in memory
// (see foreign): the row is then like any that is held, and those who wait for it queue.
// Those rows are polled, all that are due in one statement.
//
// A lock that is released passes to the next in its queue in memory; the session keeps
// the key. When nobody in the process waits for it, it is given back, and only then is
// the release answered.
//
// # Liveness
//
// All leases of a Table live in one session and end with it. A renewal asks the server
// whether the session is there. A lease ends at the instant at which the session is
// seen to have ended, since a goroutine always reads from its socket, or when
// nobody has renewed it for three times its TTL.
//
// # Fences
//
// They are drawn from one row in the database, by a statement that begins when the one
// that took the keys has ended. While the session keeps a key for itself alone nobody
// else can be granted the name, so fences for those who queue may be drawn ahead.
package advisory
