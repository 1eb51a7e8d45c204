//go:build !linux

package fleet

import "syscall"

// attributes are the defaults: histories are recorded on Linux only.
func attributes() *syscall.SysProcAttr { return nil }
