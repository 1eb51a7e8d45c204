//go:build darwin || freebsd

package sqlite

import "golang.org/x/sys/unix"

// networkKind returns the name of the network filesystem that dir is on, or "":
// one without the flag MNT_LOCAL of statfs(2).
func networkKind(dir string) (string, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return "", err
	}
	if uint64(s.Flags)&unix.MNT_LOCAL != 0 {
		return "", nil
	}
	return "not local", nil
}
