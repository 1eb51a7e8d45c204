//go:build !unix

package pgbouncer

import (
	"errors"
	"syscall"
)

type owner struct{}

func findOwner() (*owner, error) { return nil, errors.New("pgbouncer runs in tests on Unix only") }

func (*owner) take(...string) error { return nil }

func detached(*owner) *syscall.SysProcAttr { return nil }
