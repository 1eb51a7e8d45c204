//go:build unix && !linux

package main

import "syscall"

// commandAttr puts the command into a group of its own.
func commandAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func setProcessName(string) {}
