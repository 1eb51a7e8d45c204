//go:build unix

package main

import (
	"os"
	"slices"
	"syscall"

	"github.com/leaseholdgo/leasehold/cmd/leasehold/internal/proctree"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// terminal is the front's part in job control. The shell sees the front's group;
// the command has a group of its own, so that it gets the terminal's signals
// once and stopping it stops neither the keepalive nor us by accident. Whenever
// the shell makes the front's group the foreground, the front hands the terminal
// on to the command's group; when the command stops, the front takes it back and
// stops, which is what the shell waits for.
//
// A nil terminal does nothing: there is no controlling terminal.
type terminal struct {
	tty     *os.File
	modes   *term.State // before the command
	own     int         // our group
	command int         // the command's group; 0 before it is started
	wants   bool        // the command is to have the terminal from the beginning
	given   bool        // it has it
}

func openTerminal() *terminal {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	modes, err := term.GetState(int(tty.Fd()))
	if err != nil {
		tty.Close()
		return nil
	}
	return &terminal{
		tty: tty, modes: modes, own: syscall.Getpgrp(),
		wants: term.IsTerminal(0) && term.IsTerminal(1),
	}
}

// commandStarted gives the terminal to the command's group if it is ours to give
// and standard input and output are terminals. In a pipeline the other programs
// may need it; there the command gets it when it asks.
func (t *terminal) commandStarted(group int) {
	if t == nil {
		return
	}
	t.command = group
	if t.wants && t.inForeground() {
		t.give()
	}
}

// commandStopped does what is due when a signal stopped the command. It reports
// false if the command is to be continued at once.
func (t *terminal) commandStopped(sig syscall.Signal) (stays bool) {
	if t == nil {
		return true
	}
	asks := sig == syscall.SIGTTIN || sig == syscall.SIGTTOU
	switch {
	case asks && !t.given && t.inForeground():
		t.give()
		return false
	case sig == syscall.SIGTSTP && orphaned():
		return false // nobody could continue us; the kernel spares such groups too
	case orphaned():
		return true
	}
	if !t.given {
		stopProcess()
		return true
	}
	t.takeBack()
	stopGroup()
	return true
}

// stopSelf stops us while there is no command.
func (t *terminal) stopSelf() {
	if t != nil && !orphaned() {
		stopProcess()
	}
}

// continued is called when somebody continued us. It gives the terminal back to
// the command if we are in the foreground, as after "fg".
func (t *terminal) continued() {
	if t != nil && t.command != 0 && t.wants && t.inForeground() {
		t.give()
	}
}

// takeBack makes our group the foreground again after the command had been.
func (t *terminal) takeBack() {
	if t != nil && t.given {
		t.given = false
		t.setForeground(t.own)
	}
}

// restore sets the terminal's modes to what they were, after a command that was
// killed could not.
func (t *terminal) restore() {
	if t != nil && t.command != 0 && t.inForeground() {
		_ = term.Restore(int(t.tty.Fd()), t.modes)
	}
}

func (t *terminal) give() {
	t.given, t.wants = true, true
	t.setForeground(t.command)
}

func (t *terminal) setForeground(group int) {
	_ = unix.IoctlSetPointerInt(int(t.tty.Fd()), unix.TIOCSPGRP, group)
}

func (t *terminal) inForeground() bool {
	group, err := unix.IoctlGetInt(int(t.tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == t.own
}

// stopGroup stops our group, us included: a script that runs us, for instance, which the
// terminal's signal has not reached. It is one call with one signal: a shell that sees the
// first of the group stopped may continue it at once, and must not come before the last
// has been told.
func stopGroup() { _ = syscall.Kill(0, syscall.SIGSTOP) }

func stopProcess() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }

// orphaned reports whether no shell looks after our group: no ancestor outside of
// it is in our session.
func orphaned() bool {
	own := syscall.Getpgrp()
	session, err := unix.Getsid(0)
	if err != nil {
		return true
	}
	var passed []int
	for pid := os.Getppid(); pid > 1 && !slices.Contains(passed, pid); pid = proctree.Parent(pid) {
		if group, err := unix.Getpgid(pid); err != nil || group != own {
			theirs, err := unix.Getsid(pid)
			return err != nil || theirs != session
		}
		passed = append(passed, pid)
	}
	return true
}
