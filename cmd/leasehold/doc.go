// Leasehold runs commands under locks kept in a database, and shows and revokes
// such locks. See "leasehold help".
//
// # What "leasehold run" does not promise
//
// It cannot signal processes that run as another user (a setuid program among
// the command's descendants). The lock is not released while one lives, but it
// may expire.
//
// If both of its processes are killed with SIGKILL at once, the kernel kills the
// command itself and not what the command started. On SQLite that still holds the
// lock, unless it closed the descriptor it inherited; on PostgreSQL the lock
// passes on after its TTL.
//
// Off Linux the command's tree is its process group: what leaves the group is not
// found. If the keeper is killed there the front kills the group, and the other
// way round; if both are, the command runs on. On Windows there is one process,
// which ends the command's own process when the lock ends, and nothing else.
//
// What the command leaves running in the background is ended when it ends.
//
// With --min-hold the lock stays taken although nothing was run, if both processes are
// killed after it was granted and before the command begins.
//
// Runs that each take several names never wait for one another in a circle. A
// "leasehold run" inside another one can.
//
// # Two processes
//
// The front is what the user started. It starts the keeper, which holds the lock
// and is the parent of the command. Two, because the shell must be able to stop
// what it sees (Ctrl-Z) without stopping the renewals; and because either can be
// killed, and one must be left to kill the command.
//
// The keeper starts this executable a third time: that process waits until the
// terminal has been handed over and then becomes the command (exec). So the
// command is in the foreground from its first instruction.
//
// Front and keeper talk over a pair of sockets, whose end tells each of them of
// the other's death. They share a page of memory with the trust deadline in it,
// so that the front, which may have been stopped for long, reads what is true now
// and not an old message.
//
// Who kills when:
//
//   - Near the trust deadline the keeper sends SIGTERM, and SIGKILL just before
//     it. The front does the same a little later if the keeper does not stir, and
//     kills the keeper too.
//   - The keeper dies: the front kills everything at once. Exit status 79.
//   - The front dies: the keeper kills everything at once and releases the lock.
//   - Both die: the kernel kills the command (PR_SET_PDEATHSIG).
//
// On Linux both are child subreapers, so that descendants cannot leave their
// tree. The lock is released when the keeper has no child left.
//
// # Several names
//
// They are taken one after the other in byte order, all under the keeper's one lease, so
// renewing them costs what renewing one does. If one is lost while another is waited for,
// all are given back and taken anew; if one is lost later, the command ends.
//
// # "leasehold elect"
//
// The front campaigns again and again, with another keeper for each term: nothing
// of a term that was lost is left in the next. Between two terms, for --pause, the
// front is alone and holds no connection.
package main
