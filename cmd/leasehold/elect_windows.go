package main

import (
	"os"
	"os/signal"
	"time"
)

// interrupt is the number that SIGINT has elsewhere.
const interrupt = 2

// ends is what ends an election: an interrupt, which the command gets too, from
// the console.
type ends struct{ incoming chan os.Signal }

func watchEnds() ends {
	e := ends{make(chan os.Signal, 1)}
	signal.Notify(e.incoming, os.Interrupt)
	return e
}

// came reports whether there was an interrupt.
func (e ends) came(candidacy) bool {
	select {
	case <-e.incoming:
		return true
	default:
		return false
	}
}

// within waits for pause, and returns the number of the signal that came before, or
// 0.
func (e ends) within(pause time.Duration) int {
	select {
	case <-e.incoming:
		return interrupt
	case <-time.After(pause):
		return 0
	}
}
