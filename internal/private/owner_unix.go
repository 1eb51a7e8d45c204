//go:build unix

package private

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Owner is the user that a program runs as. A nil Owner is ourselves.
type Owner struct{ uid, gid int }

// FindOwner returns the user that a program runs as which refuses to run as root: the one
// by that name, or nobody. Nil, unless we are root.
func FindOwner(program, name string) (*Owner, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("%s refuses to run as root, and there is no user %s or nobody: %w", program, name, err)
		}
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	return &Owner{uid, gid}, errors.Join(err1, err2)
}

// Take gives files to the owner.
func (o *Owner) Take(paths ...string) error {
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

// Detached makes a process the owner's, in a session of its own: a Ctrl-C on the terminal
// is for us to handle.
func (o *Owner) Detached() *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if o != nil {
		attr.Credential = &syscall.Credential{Uid: uint32(o.uid), Gid: uint32(o.gid)}
	}
	return attr
}
