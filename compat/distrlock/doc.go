// Package distrlock is a drop-in for the package distrlock of acronis/go-dbkit: the same
// API on the same table, so that a service moves by changing an import path, while
// processes with the old package and with this one exclude each other.
//
// # What it does not do
//
//   - Acquire never waits for a lock to become free, and nobody is told when it does.
//   - Nothing here numbers the holders. What a holder does after its lease is over, say after a
//     pause of its process that no clock of its machine shows, is not undone.
//   - The database's clock decides when a lease is over, as the table wants it. A step of
//     that clock by more than a lease's margin ends leases early, or late.
//   - A failover to a replica that lags may lose a lock.
//   - A [DBLock] is not safe for concurrent use; copies of it are independent.
//
// Package leasehold, on tables of its own, does all of that; docs/migrating.md says how
// to get there.
//
// # The table
//
// One row for each key: lock_key, token, expire_at. A lock is held while expire_at is in
// the future, by whoever knows the token. Rows stay. On PostgreSQL expire_at is local time,
// in the time zone of the session that wrote it; on MySQL it counts units of 100
// microseconds since the Unix epoch.
//
// # Time zones on PostgreSQL
//
// What a process writes is understood by old processes whose sessions have the same time zone,
// as old ones understand each other. Processes with this package understand each
// other whatever the zones of their sessions: a token that they draw begins with a mark, and the last
// five digits of the microseconds of expire_at tell the zone's offset. So a lease is up to 161 ms
// longer in the table than asked for. Only a lease under a token of your own
// (AcquireWithStaticToken) has no mark, and then all sessions must agree, old ones or not.
//
// A row without a mark is free only if it is over both as an instant and as a local time, so in the hour
// that a clock goes back it may stay taken for up to an hour after its holder died. It never
// becomes free early.
//
// # Trust
//
// The context of DoExclusively's function ends at t_send + TTL - margin at the latest, where
// t_send is when the last successful statement was sent: the rule of package
// leasehold, from the same code (internal/keepalive.Trust). The keepalive itself is a small one of
// this package: that of leasehold renews one lease for all locks of a client, every
// third of its TTL, and here each lock has a lease, a TTL and an interval of its own.
//
// # Round trips
//
// NewLock, Acquire, Extend and Release are one statement each; an Acquire that fails asks once
// more, for the reason. On a *sql.DB each returns when its context ends, also where
// the driver does not; an Acquire that is given up, under a token that it has drawn, is cleared away in the background, which
// takes a connection until the server has answered, for at most two TTLs. Elsewhere (*sql.Tx, *sql.Conn, or an executor of your own) the
// driver gets the context. A transaction that is given up rolls back. On a *sql.Conn
// an Acquire that is given up while it waits for a locked row may still take the lock, for its TTL.
package distrlock
