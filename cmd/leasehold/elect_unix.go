//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

// stand is one candidacy, with a front and a keeper of its own.
func stand(j job) candidacy {
	f, err := newFront(j)
	if err != nil {
		return candidacy{status: fail(&failure{statusSoftware, "cannot start: " + err.Error()}), broken: true}
	}
	defer f.close()
	status := f.loop()
	f.terminal.takeBack()
	return candidacy{status: status, began: f.begun}
}

// close gives back what a front has opened: another follows it in this process.
func (f *front) close() {
	signal.Stop(f.children)
	f.signals.close()
	signal.Reset(syscall.SIGTTOU) // the next keeper must not inherit that it is ignored
	f.alarm.close()
	f.link.close()
	f.page.unmap()
	if f.terminal != nil {
		_ = f.terminal.tty.Close()
	}
}

// ends are the signals that end an election. They come here besides going to the
// front that is there when they come, if one is.
type ends struct {
	stop, hangup *relay
}

// watchEnds begins to watch. While there is no front, the runtime ignores the other
// signals that are relayed, and SIGTSTP stops the process as it should.
func watchEnds() ends {
	return ends{
		stop:   newRelay(syscall.SIGINT, syscall.SIGTERM, syscall.SIGQUIT),
		hangup: newRelay(syscall.SIGHUP),
	}
}

// came reports whether a signal has ended the election with that candidacy. A
// hang-up that the command survived does not. An interrupt from a terminal goes to
// the command alone, whose end by it tells of it.
func (e ends) came(c candidacy) bool {
	for ended := c.endedBy(syscall.SIGINT) || c.endedBy(syscall.SIGQUIT); ; {
		select {
		case <-e.stop.incoming:
			return true
		case <-e.hangup.incoming:
			ended = ended || c.endedBy(syscall.SIGHUP)
		default:
			return ended
		}
	}
}

func (c candidacy) endedBy(sig syscall.Signal) bool { return c.status == statusSignal+int(sig) }

// within waits for pause, and returns the number of the signal that came before, or
// 0.
func (e ends) within(pause time.Duration) int {
	var sig os.Signal
	select {
	case sig = <-e.stop.incoming:
	case sig = <-e.hangup.incoming:
	case <-time.After(pause):
		return 0
	}
	return int(sig.(syscall.Signal))
}
