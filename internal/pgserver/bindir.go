package pgserver

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// ErrNotInstalled is returned where no server binaries are found.
var ErrNotInstalled = errors.New("PostgreSQL's server programs are not installed" +
	" (Debian and Ubuntu: apt-get install postgresql)")

// FindBinDir returns the directory with the programs of the newest PostgreSQL
// installed: of Debian's packages if there are any, otherwise in the PATH.
func FindBinDir() (string, error) {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // the pattern is well-formed
	dirs = slices.DeleteFunc(dirs, func(dir string) bool { return !complete(dir) })
	if len(dirs) > 0 {
		return slices.MaxFunc(dirs, func(a, b string) int { return cmp.Compare(major(a), major(b)) }), nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", ErrNotInstalled
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", err
	}
	if dir := filepath.Dir(path); complete(dir) {
		return dir, nil
	}
	return "", ErrNotInstalled
}

// complete reports whether dir has all the programs we run.
func complete(dir string) bool {
	for _, program := range []string{"postgres", "initdb", "psql"} {
		if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
			return false
		}
	}
	return true
}

// major returns the version in a path such as /usr/lib/postgresql/15/bin.
func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}
