package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/leaseholdgo/leasehold/internal/mariadb"
	"github.com/leaseholdgo/leasehold/internal/pgbouncer"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// noCluster keeps Debian's package from making and starting a server of its own.
const noCluster = "/etc/postgresql-common/createcluster.d/leasehold-test.conf"

// provide installs the packages that the tests need and the system lacks, or
// says which they are.
func provide() error {
	missing := missingPackages()
	if len(missing) == 0 {
		return nil
	}
	command := "apt-get install --no-install-recommends " + strings.Join(missing, " ")
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("the tests need what these Debian packages hold: %s", strings.Join(missing, " "))
	}
	if os.Geteuid() != 0 {
		return fmt.Errorf("the tests need packages that are not installed; as root: %s", command)
	}
	fmt.Fprintln(os.Stderr, "servers:", command)
	return install(missing)
}

func missingPackages() []string {
	var missing []string
	if _, err := pgserver.FindBinDir(); err != nil && os.Getenv(postgresURL) == "" {
		missing = append(missing, "postgresql")
	}
	if mariadb.Find() != nil && os.Getenv(mysqlURL) == "" {
		missing = append(missing, mariadb.Packages...)
	}
	if _, err := pgbouncer.Find(); err != nil {
		missing = append(missing, "pgbouncer")
	}
	if !fakesTime() {
		missing = append(missing, "libfaketime")
	}
	if !compiles() {
		missing = append(missing, "gcc", "libc6-dev")
	}
	return missing
}

// fakesTime reports whether there is the library with which a test server gets a wall
// clock of its own.
func fakesTime() bool {
	for _, pattern := range []string{"/usr/lib*/faketime", "/usr/lib/*/faketime", "/usr/local/lib/faketime"} {
		if found, _ := filepath.Glob(pattern + "/libfaketime.so.1"); len(found) > 0 { // the pattern is well-formed
			return true
		}
	}
	return false
}

// compiles reports whether there is a C compiler with a C library's headers.
func compiles() bool {
	cc := os.Getenv("CC")
	if cc == "" {
		cc = "cc"
		if _, err := exec.LookPath(cc); err != nil {
			cc = "gcc"
		}
	}
	cmd := exec.Command(cc, "-fsyntax-only", "-x", "c", "-")
	cmd.Stdin = strings.NewReader("#include <stdlib.h>\n")
	return cmd.Run() == nil
}

func install(packages []string) (err error) {
	if err := os.MkdirAll(filepath.Dir(noCluster), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(noCluster, []byte("create_main_cluster = false\n"), 0o644); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(noCluster)) }()
	if err := aptGet("update", "-q"); err != nil {
		return err
	}
	return aptGet(append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...)...)
}

// aptGet runs apt-get with its output on our standard error.
func aptGet(args ...string) error {
	cmd := exec.Command("apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	return nil
}
