//go:build !unix

package mariadb

import (
	"errors"
)

var errUnix = errors.New("test servers run on Unix only; set LEASEHOLD_TEST_MYSQL_URL")

type signal int

const (
	terminate signal = iota
	kill
	freeze
	thaw
)

func send(int, signal) error { return errUnix }
