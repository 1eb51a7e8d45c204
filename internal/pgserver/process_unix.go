//go:build unix

package pgserver

import (
	"errors"
	"fmt"
	"syscall"
)

type treeSignal = syscall.Signal

const (
	kill   = syscall.SIGKILL
	freeze = syscall.SIGSTOP
	thaw   = syscall.SIGCONT
)

func stopProcess(pid int, mode Mode) error {
	sig := syscall.SIGINT
	if mode == Immediate {
		sig = syscall.SIGQUIT
	}
	return signalOne(pid, sig)
}

// signalTree sends sig to the server's first process and to its children. The
// first is frozen meanwhile, so that it makes no others.
func signalTree(pid int, sig treeSignal) error {
	if err := signalOne(pid, freeze); err != nil {
		return err
	}
	pids, err := children(pid)
	if err != nil {
		return errors.Join(err, signalOne(pid, thaw))
	}
	for _, child := range pids {
		if err := signalOne(child, sig); err != nil {
			return err
		}
	}
	return signalOne(pid, sig)
}

// signalOne takes a process that has just exited for signalled.
func signalOne(pid int, sig syscall.Signal) error {
	if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signalling PostgreSQL: %w", err)
	}
	return nil
}
