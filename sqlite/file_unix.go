//go:build unix

package sqlite

import (
	"io/fs"
	"os"
	"syscall"
)

// openToAll reports whether everybody may replace files in a directory of that
// mode.
func openToAll(mode fs.FileMode) bool {
	return mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0
}

// trusted reports whether a file belongs to this user, to root, or to whoever
// owns the database.
func trusted(file, database fs.FileInfo) bool {
	uid := file.Sys().(*syscall.Stat_t).Uid
	return uid == 0 || int(uid) == os.Geteuid() || uid == database.Sys().(*syscall.Stat_t).Uid
}
