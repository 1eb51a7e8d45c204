//go:build unix

package main

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// signalGroup signals all of the group that leader leads. One that has just
// ended is no error.
func signalGroup(leader *os.Process, sig os.Signal) {
	_ = syscall.Kill(-leader.Pid, sig.(syscall.Signal))
}
