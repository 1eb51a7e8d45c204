//go:build unix

package mariadb

import (
	"errors"
	"fmt"
	"syscall"
)

type signal = syscall.Signal

const (
	terminate = syscall.SIGTERM
	kill      = syscall.SIGKILL
	freeze    = syscall.SIGSTOP
	thaw      = syscall.SIGCONT
)

// send takes a process that has just exited for signalled.
func send(pid int, sig signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling MariaDB: %w", err)
	}
	return nil
}
