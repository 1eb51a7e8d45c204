//go:build !unix

package main

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func signalGroup(leader *os.Process, sig os.Signal) { _ = leader.Signal(sig) }
