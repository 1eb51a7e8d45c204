//go:build !unix

package private

import (
	"fmt"
	"syscall"
)

// Owner is the user that a program runs as.
type Owner struct{}

// FindOwner returns an error: private servers are for Unix.
func FindOwner(program, _ string) (*Owner, error) {
	return nil, fmt.Errorf("%s is started by tests on Unix only: elsewhere name a server that runs", program)
}

// Take does nothing.
func (*Owner) Take(...string) error { return nil }

// Detached returns nil.
func (*Owner) Detached() *syscall.SysProcAttr { return nil }
