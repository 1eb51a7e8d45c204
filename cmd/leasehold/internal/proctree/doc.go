//go:build unix

// Package proctree finds and signals the descendants of a process.
//
// What it cannot do: signal a process that runs as another user, or find one
// that has left the tree. On Linux nothing leaves it, because the roots are
// child subreapers (prctl(2)): a process that was orphaned, by a double fork or
// by setsid, becomes a child of the nearest one. On other systems the tree is
// one process group, and whatever left the group is neither found nor signalled.
//
// A scan of /proc is no snapshot. A process may be missed that is forked, or
// that changes its parent, while the scan runs. So one scan that finds nothing
// proves nothing; that a subreaper has no child left (ECHILD from wait4) does,
// since a descendant always has an ancestor among the subreaper's children.
package proctree
