//go:build unix && !linux

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

const sharedClock = unix.CLOCK_MONOTONIC

// newPage returns a file for mapPage, which nobody else can open.
func newPage() (int, error) {
	file, err := os.CreateTemp("", "leasehold")
	if err != nil {
		return -1, err
	}
	defer file.Close()
	if err := os.Remove(file.Name()); err != nil {
		return -1, err
	}
	if err := file.Truncate(int64(unix.Getpagesize())); err != nil {
		return -1, err
	}
	return unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}
