//go:build !unix

package mariadb

import (
	"errors"
	"syscall"
)

var errUnix = errors.New("test servers run on Unix only; set LEASEHOLD_TEST_MYSQL_URL")

type owner struct{}

func findOwner() (*owner, error) { return nil, errUnix }

func (*owner) take(...string) error { return errUnix }

func detached(*owner) *syscall.SysProcAttr { return nil }

type signal int

const (
	terminate signal = iota
	kill
	freeze
	thaw
)

func send(int, signal) error { return errUnix }
