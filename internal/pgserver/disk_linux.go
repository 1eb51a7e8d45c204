package pgserver

import (
	"fmt"
	"os"
	"syscall"
)

// canMount takes root for enough: in a container it may not be.
func canMount() bool {
	if os.Geteuid() != 0 {
		return false
	}
	dir, err := os.MkdirTemp("", "leasehold-mount-")
	if err != nil {
		return false
	}
	defer os.Remove(dir)
	if mount(dir, 1<<20) != nil {
		return false
	}
	return syscall.Unmount(dir, 0) == nil
}

// mount puts a file system of that size, in memory, on dir.
func mount(dir string, size int64) error {
	err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOSUID|syscall.MS_NODEV, fmt.Sprintf("size=%d,mode=700", size))
	if err != nil {
		return fmt.Errorf("mounting a limited disk: %w", err)
	}
	return nil
}
