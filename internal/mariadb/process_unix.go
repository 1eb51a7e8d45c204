//go:build unix

package mariadb

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
	u, err := user.Lookup("mysql")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("MariaDB refuses to run as root, and there is no user mysql or nobody: %w", err)
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
