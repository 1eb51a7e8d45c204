//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"github.com/leaseholdgo/leasehold/cmd/leasehold/internal/proctree"
	"golang.org/x/sys/unix"
)

// front is the process that the user started. All fields belong to its main
// goroutine.
type front struct {
	job      job
	keeper   int // its process; 0 once it has ended
	link     *link
	page     *page
	alarm    *alarm
	children chan os.Signal
	signals  *relay
	terminal *terminal
	tree     proctree.Tree // the keeper spared

	begun       bool // the command was started
	terminated  bool // SIGTERM was sent from here
	interrupted int  // signals that came before the command began
}

// runJob runs the command under the lock and returns the exit status.
func runJob(j job) int {
	f, err := newFront(j)
	if err != nil {
		return fail(&failure{statusSoftware, "cannot start: " + err.Error()})
	}
	status := f.loop()
	f.terminal.takeBack()
	return status
}

func newFront(j job) (*front, error) {
	f := &front{job: j}
	f.tree = proctree.Tree{Root: os.Getpid(), Foreign: proctree.Children(os.Getpid())}
	f.children = watchChildren()
	var err error
	if f.alarm, err = newAlarm(); err != nil {
		return nil, err
	}
	if err = proctree.Adopt(); err != nil {
		return nil, err
	}
	f.signals = newRelay(append(relayed, syscall.SIGWINCH, syscall.SIGTSTP, syscall.SIGCONT)...)
	f.terminal = openTerminal()
	if err = f.startKeeper(); err != nil {
		return nil, err
	}
	// Not before the keeper is started, which would inherit it: the terminal is
	// handed over, and written to, from the background.
	signal.Ignore(syscall.SIGTTOU)
	f.link.send(message{Op: opJob, Job: &f.job})
	return f, nil
}

// startKeeper puts the keeper into a group of its own: what a terminal or a shell
// sends to our group must not reach it.
func (f *front) startKeeper() error {
	pageFD, err := newPage()
	if err != nil {
		return err
	}
	defer unix.Close(pageFD)
	if f.page, err = mapPage(pageFD); err != nil {
		return err
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return err
	}
	defer unix.Close(theirs)
	if f.link, err = newLink(ours); err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{Setpgid: true}
	f.keeper, err = spawn(keeperName, f.job.Names, os.Environ(), []int{theirs, pageFD}, attr)
	f.tree.Spare = f.keeper
	return err
}

func socketPair() (int, int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return 0, 0, err
	}
	unix.CloseOnExec(pair[0])
	unix.CloseOnExec(pair[1])
	return pair[0], pair[1], unix.SetNonblock(pair[0], true)
}

// loop passes things on until the keeper says how it ended, or died. The deadline
// is looked at when the command was started, and whenever it would be due.
func (f *front) loop() int {
	for {
		select {
		case m, ok := <-f.link.messages:
			if !ok {
				return f.keeperDied()
			}
			if m.Op == opExit {
				return f.exit(m)
			}
			f.hear(m)
		case s := <-f.signals.incoming:
			if f.signal(s.(syscall.Signal)) {
				return f.abandon(s.(syscall.Signal))
			}
		case <-f.children:
			f.reap()
		case <-f.alarm.C:
		}
		if f.enforce() {
			return f.overrule()
		}
	}
}

func (f *front) hear(m message) {
	switch m.Op {
	case opSay:
		say(m.Text)
	case opStarted:
		f.begun, f.tree.Group = true, m.PID
		f.terminal.commandStarted(m.PID)
		f.link.send(message{Op: opGo})
	case opStopped:
		if !f.terminal.commandStopped(m.Signal) {
			f.link.send(message{Op: opSignal, Signal: syscall.SIGCONT})
		}
	}
}

// signal passes a signal on. It reports true when the user has asked twice to end
// a wait, and the keeper has not.
func (f *front) signal(sig syscall.Signal) (impatient bool) {
	switch {
	case sig == syscall.SIGCONT:
		f.terminal.continued()
	case sig == syscall.SIGTSTP && !f.begun:
		f.terminal.stopSelf()
		return false
	}
	f.link.send(message{Op: opSignal, Signal: sig})
	if f.begun || !endsWait(sig) {
		return false
	}
	f.interrupted++
	return f.interrupted > 1
}

// exit returns what the keeper has reported, once it has ended.
func (f *front) exit(m message) int {
	if f.keeper != 0 {
		_, _ = syscall.Wait4(f.keeper, nil, 0, nil)
	}
	f.terminal.takeBack()
	if m.Status > statusSignal {
		f.terminal.restore()
	}
	say(m.Text)
	return m.Status
}

// abandon ends the wait without the keeper, which hangs: no command has begun.
func (f *front) abandon(sig syscall.Signal) int {
	f.killAll()
	return statusSignal + int(sig)
}

// keeperDied kills all that the keeper leaves: nobody renews the lock any more.
func (f *front) keeperDied() int {
	f.killAll()
	f.terminal.takeBack()
	f.terminal.restore()
	if !f.begun {
		return fail(&failure{statusSoftware, "the process that keeps the lock died"})
	}
	return fail(&failure{statusLost, f.job.locks() + " lost: the keeping process died; the command was ended"})
}

// reap collects the children that ended. It reports whether there are no more.
func (f *front) reap() bool {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err == syscall.ECHILD:
			return proctree.Exact
		case err != nil || pid <= 0:
			return false
		case pid == f.keeper:
			f.keeper = 0
		}
	}
}
