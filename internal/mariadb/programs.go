package mariadb

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Packages are those of Debian that hold what a server needs: the server, and a program of
// the client's that sets up its data.
var Packages = []string{"mariadb-server-core", "mariadb-client-core"}

// ErrNotInstalled is returned where the server's programs are not found.
var ErrNotInstalled = errors.New("MariaDB's server programs are not installed" +
	" (Debian and Ubuntu: apt-get install " + strings.Join(Packages, " ") + ")")

// programs are the paths of what we run.
type programs struct{ server, install string }

// Find returns an error that says what to install where the server's programs are
// missing.
func Find() error {
	_, err := find()
	return err
}

func find() (p programs, err error) {
	if p.server, err = lookUp("mariadbd"); err == nil {
		p.install, err = lookUp("mariadb-install-db")
	}
	if err == nil {
		_, err = lookUp("my_print_defaults") // which that calls
	}
	return p, err
}

// lookUp finds a program in the PATH, or where distributions keep what only root
// runs, which the PATH of others often lacks.
func lookUp(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin"} {
		path := filepath.Join(dir, program)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", ErrNotInstalled
}
