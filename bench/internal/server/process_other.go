//go:build !unix

package server

import "syscall"

func detached() *syscall.SysProcAttr { return nil }
