//go:build unix

package private

import (
	"errors"
	"fmt"
	"syscall"
)

// Signal is one that a test server gets.
type Signal syscall.Signal

const (
	Interrupt = Signal(syscall.SIGINT)
	Quit      = Signal(syscall.SIGQUIT)
	Terminate = Signal(syscall.SIGTERM)
	Kill      = Signal(syscall.SIGKILL)
	Freeze    = Signal(syscall.SIGSTOP)
	Thaw      = Signal(syscall.SIGCONT)
)

// Send takes a process that has just exited for signalled.
func (s Signal) Send(pid int) error {
	if err := syscall.Kill(pid, syscall.Signal(s)); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling a test server: %w", err)
	}
	return nil
}
