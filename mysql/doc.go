// Package mysql keeps the locks of leasehold in tables of MySQL or MariaDB: [New] and
// [Open]. Or a session of the server holds them, with nothing stored but a fence, until its
// connection ends: [NewSession] and [OpenSession], of which [SessionStore] says what they
// promise. What follows is about tables.
//
// # What it does not do
//
// It does not see every loss of commits. Another server than before is noticed (a replica
// that was promoted, a restore on another host): by server_uuid on MySQL, and by server_id,
// host name and port on MariaDB. A backup restored on the same server is not: run `leasehold
// migrate --new-epoch` then, or call [Store.NewEpoch]. Nor is a crash of a server that does
// not flush each commit (innodb_flush_log_at_trx_commit other than 1, which a session cannot
// change): `leasehold doctor` warns of it.
//
// It cannot tell two primaries of one cluster apart from one: if a failover leaves both
// alive and reachable, both grant. Only the fence protects then.
//
// It does not work across nodes that all take writes: row locks stay on their node, and a
// guard is one. Connect refuses a node of a Galera cluster, and of a replication group with
// several primaries, unless [Config].SingleWriter says that all clients and all guarded
// transactions use one node at a time. Nothing checks that.
//
// It needs connections of its own, direct or through a proxy that gives each client one
// server connection for as long as it lasts.
//
// # What it was tested with
//
// It is tested with Debian's MariaDB 10.11. It uses what MySQL 8.0 and MariaDB 10.6 have in
// common, of InnoDB, and should work there; MySQL itself is not part of the tests. (Servers
// differ in what bounds a statement that waits: MariaDB ends one after half the TTL, and a
// transaction left idle; on MySQL a wait for a row ends after a second.)
//
// # What it does
//
// Each client has at most three connections: one for commands, one for the keepalive, which
// waits behind nothing, and one that looks for news. They set what safety needs for
// themselves, whatever the defaults: autocommit, READ COMMITTED, UTC, sql_mode, timeouts. A
// connection whose statement was lost is replaced by one that first ends the old one, with
// KILL, and waits until it has gone; each has a lock of the server's (GET_LOCK), under a
// random name, by which that is seen.
//
// An acquisition of a lock that we have left free is one round trip and one commit, and so
// is a release for which nobody waits; other calls are two round trips. Calls that come while
// others are in progress share a transaction. No statement of such a transaction waits for a
// row that somebody else has locked.
//
// InnoDB shows a commit before it is on the disk. So a grant that another client has made is
// believed only after a commit of one's own that came later.
//
// Neither server can notify. A client looks, with a statement that finds rows by their key, 5
// to 50 ms after the last look while it waits, and twice a second while it only holds, to
// learn of revocations before its next renewal. A client that holds and awaits nothing does
// not look.
//
// # Tables and rights
//
// The tables are made on first use ([Config].ManualSchema turns that off), in the database
// that the connections begin in, which must exist. Thereafter a user needs SELECT, INSERT,
// UPDATE, DELETE on the tables, and no other right. The server's binlog_format must not be
// STATEMENT.
//
// # Guard
//
// [Guard] checks, inside the caller's own transaction, that a lock is still held, and keeps
// anybody else from getting it until that transaction ends. For data in the same database
// that makes the exclusion exact, at every level of isolation.
package mysql
