package main

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// commandAttr puts the command into a group of its own and, as the last resort,
// has the kernel kill it when the keeper dies.
func commandAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// setProcessName replaces the name of the executable's link, "exe", in ps.
func setProcessName(name string) {
	bytes := append([]byte(name), 0)
	_ = unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&bytes[0])), 0, 0, 0)
}
