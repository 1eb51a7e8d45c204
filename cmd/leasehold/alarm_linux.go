package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// alarm wakes at an instant of elapsed(). It is a timerfd on CLOCK_BOOTTIME, see
// timerfd_create(2), because timers of the Go runtime stand still while the
// machine is suspended: a deadline that passed meanwhile rings on resume.
type alarm struct {
	fd   int
	file *os.File // of fd
	C    chan struct{}
}

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_BOOTTIME, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	a := &alarm{fd: fd, file: os.NewFile(uintptr(fd), "alarm"), C: make(chan struct{}, 1)}
	go a.listen()
	return a, nil
}

// close ends the alarm, which must not be set any more.
func (a *alarm) close() { _ = a.file.Close() }

// set moves the alarm to the instant at; 0 turns it off. A ring that was already
// under way still comes.
func (a *alarm) set(at int64) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at)}
	_ = unix.TimerfdSettime(a.fd, unix.TFD_TIMER_ABSTIME, &spec, nil)
}

func (a *alarm) listen() {
	for expirations := make([]byte, 8); ; {
		if _, err := a.file.Read(expirations); err != nil {
			return
		}
		select {
		case a.C <- struct{}{}:
		default:
		}
	}
}
