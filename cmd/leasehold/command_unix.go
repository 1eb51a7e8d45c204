//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/cmd/leasehold/internal/proctree"
)

// errNear is the reason to end when the trust deadline is near.
var errNear = errors.New("it could not be renewed in time")

// begin starts the process that will become the command, in a group of its own.
// The locks are held; the command begins when the front has said so.
func (k *keeper) begin(g grant) {
	k.grant = g
	k.watchDeadline()
	if err := k.spawnCommand(); err != nil {
		k.ended, k.status = true, statusSoftware
		k.tell("cannot start the command: " + err.Error())
		return
	}
	k.front.send(message{Op: opStarted, PID: k.tree.Group})
}

func (k *keeper) spawnCommand() error {
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	keepAlive, err := k.grant.inherit()
	if err != nil {
		return err
	}
	defer closeAll(keepAlive)
	args := append([]string{k.job.Path}, k.job.Args...)
	env := commandEnv(os.Environ(), k.job, k.grant.locks)
	k.start = write
	k.tree.Group, err = spawn(starterName, args, env, []int{int(read.Fd())}, commandAttr())
	return err
}

// letBegin lets the command begin if the locks are still held.
func (k *keeper) letBegin() {
	if k.start == nil {
		return
	}
	if !k.ending && k.grant.held() {
		_, _ = k.start.Write([]byte{1})
		k.began = true
	}
	_ = k.start.Close()
	k.start = nil
}

// reap collects the children that ended, adopted ones included, and reports
// whether the whole tree is gone.
func (k *keeper) reap() bool {
	for {
		var ws syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &ws, syscall.WNOHANG|syscall.WUNTRACED|syscall.WCONTINUED, nil)
		switch {
		case err == syscall.EINTR:
		case err == syscall.ECHILD:
			return proctree.Exact || k.tree.Signal(0) == 0
		case err != nil || pid <= 0:
			return false
		case pid == k.tree.Group:
			k.commandChanged(ws)
		}
	}
}

func (k *keeper) commandChanged(ws syscall.WaitStatus) {
	switch {
	case ws.Exited():
		k.commandEnded(ws.ExitStatus())
	case ws.Signaled():
		k.commandEnded(statusSignal + int(ws.Signal()))
	case ws.Stopped() && !k.ending && !k.stopped:
		k.stopped = true
		k.front.send(message{Op: opStopped, Signal: ws.StopSignal()})
	case ws.Continued() && k.stopped: // by somebody other than the front
		k.wakeFront()
	}
}

// wakeFront continues a front that stopped itself because the command had
// stopped: its shell must see that the job goes on, or has ended.
func (k *keeper) wakeFront() {
	if k.stopped {
		k.stopped = false
		_ = syscall.Kill(k.frontPID, syscall.SIGCONT)
	}
}

// commandEnded ends what the command left behind: it does not outlive the lock,
// and the lock does not wait for it.
func (k *keeper) commandEnded(status int) {
	k.ended, k.status = true, status
	k.wakeFront()
	if !k.ending {
		k.end(nil, k.job.StopTimeout)
	}
}

// lockEnded ends the command because one of the locks ended.
func (k *keeper) lockEnded() {
	cause := k.grant.lostCause()
	if errors.Is(cause, leasehold.ErrRevoked) {
		k.end(cause, k.job.StopTimeout)
		return
	}
	k.end(cause, 0)
}

// killLead is how long before the deadline the keeper kills, so that everybody
// is dead when it comes. It is small against the stop timeout.
func (k *keeper) killLead() int64 {
	return int64(min(k.job.StopTimeout/5, 50*time.Millisecond))
}

// watchDeadline moves what depends on the trust deadline, which each renewal
// moves, and acts when it is near.
func (k *keeper) watchDeadline() {
	if !k.grant.granted() {
		return
	}
	if !k.ending && k.grant.held() {
		k.deadline = k.grant.deadline()
		k.page.deadline.Store(k.deadline)
	}
	now, near := elapsed(), k.deadline-int64(k.job.StopTimeout)
	switch {
	case !k.ending && now >= near:
		k.end(errNear, time.Duration(k.deadline-k.killLead()-now))
	case !k.ending:
		k.alarm.set(near)
	case now >= k.killAt:
		k.tree.Kill(k.reap)
	default:
		k.alarm.set(k.killAt)
	}
}

// end sends SIGTERM to the whole tree, and SIGKILL after patience or shortly
// before the trust deadline, whichever is sooner; at once if patience is not
// positive. Called again, it only makes the end come sooner. A reason that is
// nil means that the command ended by itself.
func (k *keeper) end(reason error, patience time.Duration) {
	now := elapsed()
	killAt := min(now+int64(patience), k.deadline-k.killLead())
	if k.ending {
		killAt = min(killAt, k.killAt)
	}
	if reason != nil && k.lost == nil && !k.ended {
		k.lost = reason
	}
	first := !k.ending
	k.ending, k.killAt = true, killAt
	k.page.ending.Store(true)
	k.letBegin()
	if killAt <= now {
		k.tree.Kill(k.reap)
		return
	}
	if first {
		k.tree.Signal(syscall.SIGTERM)
		k.tree.Signal(syscall.SIGCONT)
	}
	k.alarm.set(killAt)
}
