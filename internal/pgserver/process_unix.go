//go:build unix

package pgserver

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// owner is the user that the server runs as. A nil owner is ourselves.
type owner struct{ uid, gid int }

// findOwner returns nobody in particular unless we are root.
func findOwner() (*owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user postgres or nobody: %w", err)
		}
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return &owner{uid, gid}, errors.Join(err1, err2)
}

// take gives files to the owner.
func (o *owner) take(paths ...string) error {
	if o == nil {
		return nil
	}
	for _, path := range paths {
		if err := os.Chown(path, o.uid, o.gid); err != nil {
			return err
		}
	}
	return nil
}

func detached(o *owner) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if o != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attr
}

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
