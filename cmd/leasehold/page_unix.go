//go:build unix

package main

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// page is memory that front and keeper share. The keeper writes it and the front
// reads it at the moment it must decide, so that the front never acts on a
// message that waited while it was stopped.
type page struct {
	// deadline is the trust deadline, on the clock of elapsed(); 0 when there
	// is no command that would have to be killed.
	deadline atomic.Int64
	// ending is set when the keeper has begun to end the command.
	ending atomic.Bool
}

func mapPage(fd int) (*page, error) {
	size := unix.Getpagesize()
	memory, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("shared page: %w", err)
	}
	return (*page)(unsafe.Pointer(unsafe.SliceData(memory))), nil
}

// unmap gives the memory back; p must not be used any more.
func (p *page) unmap() {
	_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(p)), unix.Getpagesize()))
}

// elapsed returns nanoseconds on a clock that all processes of this machine share.
func elapsed() int64 {
	var now unix.Timespec
	if unix.ClockGettime(sharedClock, &now) != nil {
		return 0
	}
	return now.Nano()
}
