//go:build unix

package main

import (
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// relayed are the signals that are passed on to the command.
var relayed = []syscall.Signal{
	syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGALRM,
}

// forGroup reports whether a terminal sends sig to whole groups, and so it goes
// to the command's group. Others are meant for one process: a script that traps
// SIGUSR1 must not lose the program it runs.
func forGroup(sig syscall.Signal) bool {
	return slices.Contains([]syscall.Signal{
		syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGCONT, syscall.SIGWINCH,
	}, sig)
}

// endsWait reports whether sig ends the wait for a lock.
func endsWait(sig syscall.Signal) bool {
	return slices.Contains([]syscall.Signal{
		syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT,
	}, sig)
}

// relay receives the signals to pass on.
type relay struct {
	incoming chan os.Signal
	pipe     chan os.Signal // SIGPIPE
	last     map[syscall.Signal]seen
}

// seen is when a signal came, and whether by the front.
type seen struct {
	at    time.Time
	front bool
}

// newRelay starts to receive. What nohup(1) or a shell's "&" made us ignore is
// left ignored, for us and for the command. SIGPIPE becomes an error of write,
// so that a line nobody reads does not end the process.
func newRelay(signals ...syscall.Signal) *relay {
	r := &relay{incoming: make(chan os.Signal, 16), pipe: make(chan os.Signal, 1), last: make(map[syscall.Signal]seen)}
	for _, sig := range signals {
		if !signal.Ignored(sig) {
			signal.Notify(r.incoming, sig)
		}
	}
	signal.Notify(r.pipe, syscall.SIGPIPE)
	return r
}

// close ends the receiving.
func (r *relay) close() {
	signal.Stop(r.incoming)
	signal.Stop(r.pipe)
}

// sameSignal is how close two signals must be to count as one that was sent to
// all our processes, as a service manager does.
const sameSignal = 50 * time.Millisecond

// repeated reports whether sig came a moment ago by the other way: once to the
// front, once to the keeper.
func (r *relay) repeated(sig syscall.Signal, front bool) bool {
	now, before := time.Now(), r.last[sig]
	if front != before.front && now.Sub(before.at) < sameSignal {
		return true
	}
	r.last[sig] = seen{now, front}
	return false
}

// watchChildren reports that a child ended, stopped or continued.
func watchChildren() chan os.Signal {
	children := make(chan os.Signal, 1)
	signal.Notify(children, syscall.SIGCHLD)
	return children
}
