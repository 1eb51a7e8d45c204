package proctree

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// Exact reports whether the subreaper's having no child left proves the tree to
// be empty.
const Exact = true

// Adopt makes the calling process a child subreaper: its orphaned descendants
// become its children.
func Adopt() error {
	return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
}

// Signal sends sig once to every process of the tree that one scan finds, and
// returns how many it found. Zombies do not count.
func (t *Tree) Signal(sig syscall.Signal) int {
	found := t.members()
	for _, p := range found {
		p.signal(sig)
	}
	return len(found)
}

// Children returns the children of pid.
func Children(pid int) map[int]bool {
	children := make(map[int]bool)
	for _, p := range scan() {
		if p.parent == pid {
			children[p.pid] = true
		}
	}
	return children
}

// Parent returns the parent of pid, 0 if it cannot be known.
func Parent(pid int) int {
	p, _ := read(pid)
	return p.parent
}

// members returns the live processes of the tree.
func (t *Tree) members() []process {
	byParent := make(map[int][]process)
	for _, p := range scan() {
		byParent[p.parent] = append(byParent[p.parent], p)
	}
	var found []process
	for todo := []int{t.Root}; len(todo) > 0; {
		parent := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, p := range byParent[parent] {
			if t.Foreign[p.pid] {
				continue
			}
			todo = append(todo, p.pid)
			if p.pid != t.Spare && !p.dead {
				found = append(found, p)
			}
		}
	}
	return found
}
