//go:build unix

package server

import "syscall"

// detached starts a session: a Ctrl-C on the terminal is for us to handle.
func detached() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
