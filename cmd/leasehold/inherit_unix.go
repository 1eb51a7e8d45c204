//go:build unix

package main

import (
	"fmt"
	"math"
	"os"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"golang.org/x/sys/unix"
)

// inherit returns descriptors that the command is to inherit, open across exec:
// where a lease lives as long as a file is open, it then lives as long as any
// descendant of the command does, whatever becomes of us.
func (g *grant) inherit() ([]int, error) {
	var copies []int
	seen := map[driver.ID]bool{} // one lease holds all locks of a client, as a rule
	for _, lock := range g.locks {
		hold := lock.Hold()
		store, ok := hold.Conn.(driver.Inheritor)
		if !ok || seen[hold.Lease] {
			continue
		}
		seen[hold.Lease] = true
		file, err := store.LeaseFile(hold.Lease)
		if err == nil {
			copies, err = duplicate(copies, file)
		}
		if err != nil {
			closeAll(copies)
			return nil, fmt.Errorf("lease file: %w", err)
		}
	}
	return copies, nil
}

// duplicate appends a copy of the file's descriptor that stays open across exec.
func duplicate(copies []int, file *os.File) ([]int, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return copies, err
	}
	copied := -1
	var dupErr error
	err = raw.Control(func(fd uintptr) { copied, dupErr = unix.FcntlInt(fd, unix.F_DUPFD, 3) })
	if err == nil {
		err = dupErr
	}
	if err != nil {
		return copies, err
	}
	return append(copies, copied), nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd)
	}
}

// deadline returns the earliest trust deadline of the locks on the clock of elapsed().
// The clock is read first, so that a pause in between makes it earlier, never later.
func (g *grant) deadline() int64 {
	now, earliest := elapsed(), time.Duration(math.MaxInt64)
	for _, lock := range g.locks {
		earliest = min(earliest, time.Until(lock.Deadline()))
	}
	return now + int64(earliest)
}
