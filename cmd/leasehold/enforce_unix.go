//go:build unix

package main

import (
	"syscall"
	"time"
)

// The front enforces the trust deadline beside the keeper, which may be stopped.

// enforceLag is how much later than the keeper the front sends SIGTERM, so that
// the command gets it once when both live. The front's SIGKILL comes at the
// deadline; the keeper's a little before.
func (f *front) enforceLag() int64 {
	return int64(min(f.job.StopTimeout/4, 100*time.Millisecond))
}

// enforce does what the time demands of the front. It reports true when the trust
// deadline has passed.
func (f *front) enforce() bool {
	deadline := f.page.deadline.Load()
	if deadline == 0 {
		f.alarm.set(0)
		return false
	}
	now, near := elapsed(), deadline-int64(f.job.StopTimeout)+f.enforceLag()
	switch {
	case now >= deadline:
		return true
	case now < near:
		f.alarm.set(near)
	default:
		if !f.terminated && !f.page.ending.Load() {
			f.terminated = true
			f.page.ending.Store(true)
			f.tree.Signal(syscall.SIGTERM)
			f.tree.Signal(syscall.SIGCONT)
		}
		f.alarm.set(deadline)
	}
	return false
}

// reportGrace is how long the front waits, after the deadline, for a keeper that
// lives to end the client and to say how it ended.
const reportGrace = 2 * quickClose

// overrule kills the command because the trust deadline has passed, and the
// keeper too if it does not stir.
func (f *front) overrule() int {
	f.tree.Kill(f.reap)
	timeout := time.After(reportGrace)
	for {
		select {
		case m, ok := <-f.link.messages:
			if !ok {
				return f.keeperDied()
			}
			if m.Op == opExit {
				return f.exit(m)
			}
		case <-f.children:
			f.reap()
		case <-timeout:
			f.killAll()
			f.terminal.takeBack()
			f.terminal.restore()
			return fail(&failure{statusLost, f.job.locks() + " lost: the keeping process hangs; the command was ended"})
		}
	}
}

// killAll kills the whole tree, the keeper last: its children become ours then.
func (f *front) killAll() {
	if f.begun {
		f.tree.Kill(f.reap)
	}
	if f.keeper != 0 {
		_ = syscall.Kill(f.keeper, syscall.SIGKILL)
	}
	f.tree.Spare = 0
	f.tree.Kill(f.reap)
}
