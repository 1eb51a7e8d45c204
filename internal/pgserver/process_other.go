//go:build !unix

package pgserver

import (
	"errors"
	"syscall"
)

var errUnix = errors.New("test servers run on Unix only; set LEASEHOLD_TEST_POSTGRES_URL")

type owner struct{}

func findOwner() (*owner, error) { return nil, errUnix }

func (*owner) take(...string) error { return errUnix }

func detached(*owner) *syscall.SysProcAttr { return nil }

type treeSignal int

const (
	kill treeSignal = iota
	freeze
	thaw
)

func stopProcess(int, Mode) error { return errUnix }

func signalTree(int, treeSignal) error { return errUnix }
