//go:build unix

package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/leaseholdgo/leasehold/cmd/leasehold/internal/proctree"
)

// keeper is the process that holds the locks and whose child the command is. All
// fields belong to its main goroutine, which is locked to its thread: the
// command dies with the thread that forked it (PR_SET_PDEATHSIG).
type keeper struct {
	front    *link
	page     *page
	job      job
	frontPID int
	alarm    *alarm
	children chan os.Signal
	signals  *relay
	tree     proctree.Tree

	cancel context.CancelCauseFunc // ends the attempt
	quit   error                   // why it was ended
	grants chan grant
	grant  grant // zero until the locks are held

	start    *os.File // one byte lets the command begin
	began    bool     // it was let
	ended    bool     // the command ended with status
	status   int
	stopped  bool  // the front was told so
	deadline int64 // the trust deadline as last seen while the lock was held
	ending   bool
	killAt   int64 // when ending: the instant of SIGKILL
	lost     error // why the command had to end
}

// keeperMain is the keeper's process. Arguments: the descriptors of the link and
// of the page, and the locks' names, which are for people who read ps.
func keeperMain(args []string) int {
	runtime.LockOSThread()
	k, err := newKeeper(args)
	if err != nil {
		return fail(err)
	}
	first, ok := <-k.front.messages
	if !ok || first.Op != opJob || first.Job == nil {
		return statusSoftware
	}
	k.job = *first.Job
	ctx, cancel := context.WithCancelCause(context.Background())
	k.cancel = cancel
	go func() { k.grants <- acquire(ctx, k.job, k.tell) }()
	k.loop()
	return 0
}

func newKeeper(args []string) (*keeper, error) {
	if len(args) < 3 {
		return nil, misused(keeperName + " is not for direct use")
	}
	linkFD, ok := inherited(args[1])
	pageFD, ok2 := inherited(args[2])
	if !ok || !ok2 {
		return nil, misused(keeperName + " is not for direct use")
	}
	k := &keeper{grants: make(chan grant, 1), tree: proctree.Tree{Root: os.Getpid()}, frontPID: os.Getppid()}
	var err error
	if k.page, err = mapPage(pageFD); err != nil {
		return nil, err
	}
	if k.front, err = newLink(linkFD); err != nil {
		return nil, err
	}
	if k.alarm, err = newAlarm(); err != nil {
		return nil, err
	}
	if err = proctree.Adopt(); err != nil {
		return nil, err
	}
	setProcessName("leasehold-keep")
	k.children = watchChildren()
	k.signals = newRelay(relayed...)
	return k, nil
}

// tell sends a line for people. It is safe for concurrent use.
func (k *keeper) tell(text string) { k.front.send(message{Op: opSay, Text: text}) }

// errFrontDied is the reason to end when the process that the user started is gone.
var errFrontDied = errors.New("the process that started the command died")

// loop runs until the tree is dead and the locks released. The intervals of the
// tick are short against that between two renewals.
func (k *keeper) loop() {
	tick := time.NewTicker(max(k.job.TTL/20, 5*time.Millisecond))
	defer tick.Stop()
	messages := k.front.messages
	var lost <-chan struct{}
	for {
		select {
		case m, ok := <-messages:
			if !ok {
				messages = nil
				k.frontDied()
			}
			k.obey(m)
		case g := <-k.grants:
			if g.err == nil && k.quit != nil {
				g.forgo(quickClose)
				g.err = k.quit
			}
			if g.err != nil {
				k.report(exitOf(g.err, k.job))
				return
			}
			lost = g.any.Done()
			k.begin(g)
		case <-lost:
			lost = nil
			k.lockEnded()
		case s := <-k.signals.incoming:
			k.pass(s.(syscall.Signal), false)
		case <-k.children:
		case <-tick.C:
			k.watchDeadline()
		case <-k.alarm.C:
			k.watchDeadline()
		}
		if k.grant.granted() && k.reap() {
			k.finish()
			return
		}
	}
}

// obey does what the front says.
func (k *keeper) obey(m message) {
	switch m.Op {
	case opSignal:
		k.pass(m.Signal, true)
	case opGo:
		k.letBegin()
	}
}

// giveUp ends the attempt, also if it has just succeeded.
func (k *keeper) giveUp(reason error) {
	k.quit = cmp.Or(k.quit, reason)
	k.cancel(reason)
}

// frontDied ends everything: a lock attempt, or the command at once. Nobody is
// left to be told.
func (k *keeper) frontDied() {
	k.giveUp(errFrontDied)
	if k.grant.granted() {
		k.end(errFrontDied, 0)
	}
}

// pass gives a signal to the command, or ends the wait for the lock by it. A
// signal that reached front and keeper both counts once.
func (k *keeper) pass(sig syscall.Signal, front bool) {
	if k.signals.repeated(sig, front) {
		return
	}
	if sig == syscall.SIGCONT {
		k.stopped = false
	}
	switch {
	case k.tree.Group == 0:
		if endsWait(sig) {
			k.giveUp(errSignal(sig))
		}
	case k.ended:
	case forGroup(sig):
		_ = syscall.Kill(-k.tree.Group, sig)
	default:
		_ = syscall.Kill(k.tree.Group, sig)
	}
}

// report is the last thing the front hears.
func (k *keeper) report(status int, text string) {
	k.page.deadline.Store(0)
	k.front.send(message{Op: opExit, Status: status, Text: text})
}

// finish gives the locks back, now that nobody is left who could rely on it.
func (k *keeper) finish() {
	k.page.deadline.Store(0)
	if k.lost != nil {
		k.grant.close(quickClose)
		k.report(statusLost, lossLine(k.lost, k.job))
		return
	}
	if k.began {
		k.grant.close(k.job.TTL)
	} else {
		k.grant.forgo(k.job.TTL)
	}
	k.report(k.status, "")
}
