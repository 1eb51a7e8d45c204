// Package sqlite keeps locks in an SQLite database file, for any number of
// processes on one host. There is no server and no set-up: the file, its tables
// and the directory beside it are made on first use.
//
// # What it does not do
//
// It does not reach across hosts: network filesystems break SQLite's own locks
// and ours, and are refused where they can be recognised (NFS, SMB, AFS, Ceph,
// Lustre, GFS2, OCFS2, 9P, virtiofs, sshfs and the like). One that is not
// recognised is not safe.
//
// It does not take a lock from a process that is stopped but not dead: whoever
// is suspended keeps the operating-system lock that shows it to be alive. Its
// own trust in the lock ends on time all the same.
//
// It does not withstand somebody who deletes files. Whoever deletes a file in
// the directory of leases ends that lease for the others at once, and its client
// learns it at its next renewal; so does every client when the database file is
// deleted or replaced. SQLite's own warnings apply: no other copy of SQLite in
// the same process may open the file, and no other code may open and close it
// ("How To Corrupt An SQLite Database File", section 2.2).
//
// One process writes to a file at a time. A long transaction of the user's own
// in the same file delays every acquisition and release of everybody, though no
// renewal: renewals only read.
//
// # Liveness
//
// A lease lives as long as an operating-system lock on a file of its own, in the
// directory named like the database with ".leases" appended. The lock is
// flock(2) on Unix and LockFileEx on Windows; the kernel drops it when the last
// descriptor goes, so the locks of a killed process pass on at once and not after
// a TTL. On Unix a child process that inherits the descriptor keeps the lease
// alive after its parent's death. Elapsed time never expires a lease here, but for one with
// a fixed TTL: that ends with its time though its client lives.
//
// # Durability and permissions
//
// The database is in WAL mode with synchronous=FULL: a grant, a hand-over and whatever
// else is written are on the disk before anybody is told. One thing is not waited for: a
// release that leaves the lock free. The next commit that waits carries it to the
// disk; before that a crash of the host can undo it, and with the host all clients
// are gone, so the lock that then seems to be held passes on at once, under a larger fence.
//
// What [Open] makes is for its user only: directories 0700, files 0600. It refuses a
// directory that everybody may write to, unless it is sticky as /tmp is. It accepts one
// that a group may write to: that group is then trusted with the locks.
//
// # Costs
//
// An acquisition and a release are one transaction each, mostly of one statement. An
// acquisition waits for one flush of the disk; so does a release, unless nothing but a
// free lock is left by it. What a client asks for while a transaction of its runs shares
// the next one, and its flush. A renewal is one read of the database, and a few bytes
// written to the lease's file. While a client waits it looks at the file a hundred times
// a second, and otherwise five times; see the benchmark in this package for what that
// costs. A client uses at most four connections to the file, and as many more file
// descriptors as it has leases.
package sqlite
