//go:build !unix

package pgserver

import (
	"errors"
)

var errUnix = errors.New("test servers run on Unix only; set LEASEHOLD_TEST_POSTGRES_URL")

type treeSignal int

const (
	kill treeSignal = iota
	freeze
	thaw
)

func stopProcess(int, Mode) error { return errUnix }

func signalTree(int, treeSignal) error { return errUnix }
