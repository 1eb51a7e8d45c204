package sqlite

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// networkKind returns the name of the network filesystem that dir is on, or "".
func networkKind(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", err
	}
	magic := uint32(s.Type) // some architectures have it signed
	if magic != fuseMagic {
		return magics[magic], nil
	}
	return fuseKind(dir)
}

// fuseKind looks a filesystem in user space up by its device. Where there is no
// mount table it passes as local.
func fuseKind(dir string) (string, error) {
	var s unix.Stat_t
	if err := unix.Stat(dir, &s); err != nil {
		return "", err
	}
	mounts, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return "", nil
	}
	defer mounts.Close()
	kind, err := mountedType(mounts, unix.Major(uint64(s.Dev)), unix.Minor(uint64(s.Dev)))
	if err != nil || !remoteType(kind) {
		return "", err
	}
	return kind, nil
}

// mountedType returns the type of the filesystem with that device, from a mount
// table as proc_pid_mountinfo(5) describes it: the third field is the device, and
// the type follows a field that is a single hyphen.
func mountedType(mounts io.Reader, major, minor uint32) (string, error) {
	device := fmt.Sprintf("%d:%d", major, minor)
	lines := bufio.NewScanner(mounts)
	for lines.Scan() {
		left, right, ok := strings.Cut(lines.Text(), " - ")
		fields, kind := strings.Fields(left), strings.Fields(right)
		if ok && len(fields) > 2 && len(kind) > 0 && fields[2] == device {
			return kind[0], nil
		}
	}
	return "", lines.Err()
}
