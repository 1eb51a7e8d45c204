package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/leaseholdgo/leasehold/internal/mariadb"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// install installs the Debian packages that are missing, or says which they are.
func install(ctx context.Context, kinds []Kind) error {
	missing := missingPackages(kinds)
	if len(missing) == 0 {
		return nil
	}
	command := "apt-get install --no-install-recommends " + strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("to be measured, these must be installed (names of Debian's packages): %s", strings.Join(missing, " "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("what is to be measured is not installed; as root: %s", command)
	}
	fmt.Fprintln(os.Stderr, "bench:", command)
	return aptInstall(ctx, missing)
}

func missingPackages(kinds []Kind) []string {
	var missing []string
	for _, kind := range kinds {
		var err error
		var names []string
		switch kind {
		case Postgres:
			names = []string{"postgresql"}
			_, err = pgserver.FindBinDir()
		case Redis:
			names = []string{"redis-server"}
			_, err = exec.LookPath("redis-server")
		case Etcd:
			names = []string{"etcd-server"}
			_, err = exec.LookPath("etcd")
		case MariaDB:
			names = mariadb.Packages
			err = mariadb.Find()
		}
		if err != nil {
			missing = append(missing, names...)
		}
	}
	return missing
}

// notes are files that keep packages from starting servers of their own while they
// are installed.
var notes = map[string]string{
	"/etc/postgresql-common/createcluster.d/leasehold-bench.conf": "create_main_cluster = false\n",
	"/usr/sbin/policy-rc.d": "#!/bin/sh\nexit 101\n",
}

func aptInstall(ctx context.Context, packages []string) (err error) {
	for path, text := range notes {
		made, leaveErr := leave(path, text)
		if leaveErr != nil {
			return leaveErr
		}
		if made {
			defer func() { err = errors.Join(err, os.Remove(path)) }()
		}
	}
	if err := aptGet(ctx, "update", "-q"); err != nil {
		return err
	}
	return aptGet(ctx, append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...)...)
}

// leave makes a file, unless there is one already: then made is false.
func leave(path, text string) (made bool, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return false, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = f.WriteString(text)
	return true, errors.Join(err, f.Close())
}

// aptGet runs apt-get with its output on our standard error.
func aptGet(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	return nil
}
