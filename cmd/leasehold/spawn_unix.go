//go:build unix

package main

import (
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// What this executable is called when it starts itself. A pattern that matches
// "leasehold run" (pkill -f) finds the front only.
const (
	keeperName  = "leasehold-keeper"
	starterName = "leasehold-start"
)

// spawn starts this executable again under another name. Standard input, output
// and error are passed on, and so is every descriptor that this process
// inherited open; fds are passed on under their own numbers.
//
// It uses syscall.ForkExec, not os/exec, because both processes wait for any
// child whatever (wait4 with -1), which os/exec does not expect.
func spawn(name string, args, env []string, fds []int, attr *syscall.SysProcAttr) (int, error) {
	self, err := executable()
	if err != nil {
		return 0, err
	}
	argv := []string{name}
	for _, fd := range fds {
		argv = append(argv, strconv.Itoa(fd))
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
			return 0, err
		}
		defer unix.CloseOnExec(fd)
	}
	return syscall.ForkExec(self, append(argv, args...), &syscall.ProcAttr{
		Env:   env,
		Files: []uintptr{0, 1, 2},
		Sys:   attr,
	})
}

// executable prefers the running image to its path, which may meanwhile hold
// another version.
func executable() (string, error) {
	const image = "/proc/self/exe"
	if _, err := os.Stat(image); err == nil {
		return image, nil
	}
	return os.Executable()
}

// inherited reads a descriptor's number from an argument and keeps it from being
// passed on further.
func inherited(arg string) (int, bool) {
	fd, err := strconv.Atoi(arg)
	if err != nil || fd <= 2 {
		return 0, false
	}
	unix.CloseOnExec(fd)
	return fd, true
}
