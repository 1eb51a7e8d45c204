//go:build unix && !linux

package main

import "time"

// alarm wakes at an instant of elapsed().
type alarm struct {
	timer *time.Timer
	C     chan struct{}
}

func newAlarm() (*alarm, error) {
	a := &alarm{C: make(chan struct{}, 1)}
	a.timer = time.AfterFunc(time.Hour, a.ring)
	a.timer.Stop()
	return a, nil
}

// set moves the alarm to the instant at; 0 turns it off. A ring that was already
// under way still comes.
func (a *alarm) set(at int64) {
	if at == 0 {
		a.timer.Stop()
		return
	}
	a.timer.Reset(time.Duration(at - elapsed()))
}

// close ends the alarm, which must not be set any more.
func (a *alarm) close() { a.timer.Stop() }

func (a *alarm) ring() {
	select {
	case a.C <- struct{}{}:
	default:
	}
}
