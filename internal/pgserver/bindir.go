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

// BinDirVariable names the directory whose PostgreSQL is used.
const BinDirVariable = "LEASEHOLD_TEST_POSTGRES_BIN"

// FindBinDir returns the directory that BinDirVariable names, if it is set. Otherwise the
// one with the programs of the newest PostgreSQL installed: of Debian's packages if there
// are any, or else in the PATH.
func FindBinDir() (string, error) {
	if dir := os.Getenv(BinDirVariable); dir != "" {
		return dir, nil
	}
	return installed()
}

func installed() (string, error) {
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

// find returns where the program is: beside the server, or else with the PostgreSQL that is
// installed. Some packages of servers have no clients.
func (s *Server) find(program string) string {
	path := filepath.Join(s.binDir, program)
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if dir, err := installed(); err == nil {
		return filepath.Join(dir, program)
	}
	return program
}

// major returns the version in a path such as /usr/lib/postgresql/15/bin.
func major(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}
