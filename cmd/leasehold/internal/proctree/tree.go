//go:build unix

package proctree

import (
	"syscall"
	"time"
)

// Tree says which processes are meant. It is not safe for concurrent use.
type Tree struct {
	// Root is the process whose descendants are meant, itself not included.
	Root int
	// Group is the process group of the command, 0 before there is one.
	Group int
	// Spare is a descendant that is left alone, its own descendants not; 0
	// for none.
	Spare int
	// Foreign are descendants that are left alone with all of theirs.
	Foreign map[int]bool
}

// clearScans is how many scans in a row must find nobody where no exact answer
// is to be had.
const clearScans = 3

// Kill sends SIGKILL until nobody is left, and calls reap after each round. reap
// collects the children that ended and reports whether it is certain that
// nobody is left; without its word, three scans that find nobody must do.
func (t *Tree) Kill(reap func() bool) {
	pause := 500 * time.Microsecond
	for clear := 0; clear < clearScans; {
		clear++
		if t.killRound() > 0 {
			clear = 0
		}
		if reap() {
			return
		}
		time.Sleep(pause)
		pause = min(2*pause, 20*time.Millisecond)
	}
}

// Groups first: the kernel signals the members of a group at one instant, so
// none of them can slip away by forking.
func (t *Tree) killRound() int {
	if t.Group > 0 {
		_ = syscall.Kill(-t.Group, syscall.SIGKILL)
	}
	return t.Signal(syscall.SIGKILL)
}
