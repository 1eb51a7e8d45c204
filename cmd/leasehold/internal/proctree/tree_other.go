//go:build unix && !linux

package proctree

import "syscall"

// Exact reports whether the subreaper's having no child left proves the tree to
// be empty.
const Exact = false

// Adopt does nothing: this system has no subreapers.
func Adopt() error { return nil }

// Signal sends sig to the tree's process group. It returns 1 if the group has
// members, and 0 if not.
func (t *Tree) Signal(sig syscall.Signal) int {
	if t.Group <= 0 || syscall.Kill(-t.Group, sig) == syscall.ESRCH {
		return 0
	}
	return 1
}

// Children returns nothing: it is not needed where the tree is a group.
func Children(int) map[int]bool { return nil }

// Parent returns the parent of pid, 0 if it cannot be known, as always here.
func Parent(int) int { return 0 }
