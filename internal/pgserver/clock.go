package pgserver

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// ErrNoFaketime is returned where a clock of the server's own was asked for and
// libfaketime is not installed.
var ErrNoFaketime = errors.New("libfaketime is not installed (Debian and Ubuntu: apt-get install libfaketime)")

// findFaketime returns the library that gives a program another wall clock.
func findFaketime() (string, error) {
	for _, pattern := range []string{
		"/usr/lib/*/faketime/libfaketime.so.1", "/usr/lib/faketime/libfaketime.so.1", "/usr/lib64/faketime/libfaketime.so.1",
		"/usr/local/lib/faketime/libfaketime.so.1",
	} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // the pattern is well-formed
			return found[0], nil
		}
	}
	return "", ErrNoFaketime
}

// Step sets how far the server's wall clock is ahead of the machine's, negative:
// behind it. It may run or not. Its other clocks go on. PostgreSQL reckons its
// timeouts by the wall clock: one that is set before a step, or of a session that
// began before it, may come late. Only for a server with Config.Clock.
//
// The change is seen by the next statement: the library reads the file each time
// the server asks for the time.
func (s *Server) Step(ahead time.Duration) error {
	if s.faketime == "" {
		return errors.New("this server has no clock of its own")
	}
	next := s.clockFile() + ".next"
	if err := os.WriteFile(next, fmt.Appendf(nil, "%+.6f\n", ahead.Seconds()), 0o600); err != nil {
		return err
	}
	if err := s.process.Owner.Take(next); err != nil {
		return err
	}
	return os.Rename(next, s.clockFile()) // never seen half written
}

func (s *Server) clockFile() string { return filepath.Join(s.process.Dir, "clock") }

// clockEnviron makes a program see the clock.
func (s *Server) clockEnviron() []string {
	if s.faketime == "" {
		return nil
	}
	return []string{
		"LD_PRELOAD=" + s.faketime, "FAKETIME_TIMESTAMP_FILE=" + s.clockFile(),
		"FAKETIME_NO_CACHE=1", "FAKETIME_DISABLE_SHM=1", "DONT_FAKE_MONOTONIC=1",
	}
}
