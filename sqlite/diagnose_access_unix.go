//go:build unix

package sqlite

import "golang.org/x/sys/unix"

// mayMakeFiles reports whether this user may make files in a directory.
func mayMakeFiles(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }
