//go:build unix

package main

import (
	"fmt"
	"time"

	"github.com/leaseholdgo/leasehold"
	"github.com/leaseholdgo/leasehold/driver"
	"golang.org/x/sys/unix"
)

// inherit returns descriptors that the command is to inherit, open across exec:
// where a lease lives as long as a file is open, it then lives as long as any
// descendant of the command does, whatever becomes of us.
func (g *grant) inherit() ([]int, error) {
	hold := g.lock.Hold()
	store, ok := hold.Conn.(driver.Inheritor)
	if !ok {
		return nil, nil
	}
	file, err := store.LeaseFile(hold.Lease)
	if err != nil {
		return nil, fmt.Errorf("lease file: %w", err)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("lease file: %w", err)
	}
	copied := -1
	var dupErr error
	err = raw.Control(func(fd uintptr) { copied, dupErr = unix.FcntlInt(fd, unix.F_DUPFD, 3) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return nil, fmt.Errorf("lease file: %w", err)
	}
	return []int{copied}, nil
}

// deadlineOf returns a lock's trust deadline on the clock of elapsed(). The clock
// is read first, so that a pause in between makes it earlier, never later.
func deadlineOf(lock *leasehold.Lock) int64 {
	now := elapsed()
	return now + int64(time.Until(lock.Deadline()))
}
