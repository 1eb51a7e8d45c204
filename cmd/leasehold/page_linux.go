package main

import "golang.org/x/sys/unix"

// sharedClock goes on while the machine is suspended.
const sharedClock = unix.CLOCK_BOOTTIME

// newPage returns a file for mapPage, which nobody else can open.
func newPage() (int, error) {
	fd, err := unix.MemfdCreate("leasehold", unix.MFD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	return fd, unix.Ftruncate(fd, int64(unix.Getpagesize()))
}
