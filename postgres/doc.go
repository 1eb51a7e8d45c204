// Package postgres keeps the locks of leasehold in PostgreSQL tables.
//
// # What it does not do
//
// It cannot tell two primaries of one cluster apart from one: if a failover
// leaves both alive and reachable, both grant. Only the fence protects then.
// A standby that was promoted without the last commits of its primary lacks the
// last grants; the change is noticed (see [driver.Reply].Epoch), not undone.
//
// Through a pooler in transaction mode, and with lib/pq, there are no notifications: locks
// are handed over by a look every 5 to 100 ms. Behind a pooler the keepalive waits, as
// everybody does, while all server connections are in use: a wait of a TTL costs the locks.
//
// Nothing depends on a notification arriving. It is sent with the commit that it
// tells of: a hand-over's names the ticket and the fence it was granted.
//
// # What it does
//
// [New] copies the settings of a pgxpool.Pool, its hooks included, and never
// takes a connection from it. Each client dials at most three connections, when
// it first needs them: one for commands, one for the keepalive, which waits
// behind nothing, and one that listens. They set what safety needs for
// themselves, whatever the defaults of the server, the database or the role:
// synchronous_commit = on (remote_apply is kept), READ COMMITTED, UTC,
// timeouts below the TTL. A connection whose statement was lost is replaced by
// one that first ends the old one's backend, so that nothing lost takes effect
// late.
//
// A pooler in transaction mode is noticed. Then, and for a *sql.DB whose driver is not
// pgx's ([NewDB]), each call is one transaction, which makes its settings anew, checks that
// the server is the one it was before, and that no later connection has taken the place of
// its own: so nothing lost takes effect late there either. A pooler in statement mode is
// refused.
//
// An acquire without contention is one round trip and one commit, and so is a
// release, with or without handing over.
//
// # Tables and rights
//
// The tables are made on first use ([Config].ManualSchema turns that off) in the
// schema "leasehold". Thereafter a role needs USAGE on the schema and SELECT,
// INSERT, UPDATE, DELETE on the tables. To see that the database was failed
// over, it calls pg_control_system(), pg_walfile_name() and
// pg_current_wal_insert_lsn(), which every role may by default; where it may
// not, or the service has no such functions, failover goes unnoticed.
//
// # Locks of a session
//
// [NewSession] returns another kind of store, whose locks are advisory locks of the
// server's, freed the moment the connection ends. [TxLock] takes one for the length of a
// transaction.
//
// # Guard
//
// [Guard] and [GuardTx] check, inside the caller's own transaction, that a lock
// is still held, and keep anybody else from getting it until that transaction
// ends. For data in the same database that makes the exclusion exact.
package postgres
