//go:build unix

package sqlite

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

const (
	shared    = unix.LOCK_SH
	exclusive = unix.LOCK_EX
)

// inheritable says that a lock belongs to the open file and not to the process,
// so that children which inherit the descriptor keep it (flock(2)).
const inheritable = true

// tryLock reports whether it locked the file. It does not wait.
func tryLock(f *os.File, kind int) (bool, error) {
	for {
		err := unix.Flock(int(f.Fd()), kind|unix.LOCK_NB)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, unix.EWOULDBLOCK):
			return false, nil
		case !errors.Is(err, unix.EINTR):
			return false, &os.PathError{Op: "flock", Path: f.Name(), Err: err}
		}
	}
}

func unlock(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_UN) }

func writableByOthers(mode fs.FileMode) bool { return mode.Perm()&0o022 != 0 }
