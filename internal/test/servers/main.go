// Command servers runs a command with test servers: it starts a private
// PostgreSQL and a private MariaDB, names them in LEASEHOLD_TEST_POSTGRES_URL and
// LEASEHOLD_TEST_MYSQL_URL, runs the command, and removes the servers again, also
// when it is interrupted or the command fails. Its exit status is the command's.
//
//	servers [--] COMMAND [ARG...]
//
// A variable that is set is left as it is, and its server is not started. As root
// on a Debian system it first installs the packages that are missing: the servers, a
// pooler, a library that moves a clock, and the C compiler that the race detector
// needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/leaseholdgo/leasehold/internal/mariadb"
	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

// The variables that name the servers.
const (
	postgresURL = "LEASEHOLD_TEST_POSTGRES_URL"
	mysqlURL    = "LEASEHOLD_TEST_MYSQL_URL"
)

// server is a private server of either kind.
type server interface {
	URL() string
	Close() error
}

// start starts the server that a variable is to name.
var start = map[string]func(context.Context) (server, error){
	postgresURL: func(ctx context.Context) (server, error) { return pgserver.Start(ctx, pgserver.Config{}) },
	mysqlURL:    func(ctx context.Context) (server, error) { return mariadb.Start(ctx, mariadb.Config{}) },
}

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: servers [--] COMMAND [ARG...]")
		os.Exit(64)
	}
	status, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, "servers:", err)
		status = max(status, 1)
	}
	os.Exit(status)
}

// run starts what is missing, runs the command, and returns its exit status.
func run(args []string) (status int, err error) {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)

	if err := provide(); err != nil {
		return 1, err
	}
	env := os.Environ()
	for _, variable := range []string{postgresURL, mysqlURL} {
		if os.Getenv(variable) != "" {
			continue
		}
		server, failed := start[variable](context.Background())
		if failed != nil {
			return 1, failed
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		env = append(env, variable+"="+server.URL())
	}
	return supervise(args, env, signals)
}

// supervise runs the command in a process group of its own, and passes signals
// on to all of it.
func supervise(args, env []string, signals <-chan os.Signal) (int, error) {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.SysProcAttr = env, ownGroup()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case sig := <-signals:
			signalGroup(cmd.Process, sig)
		case err := <-done:
			if exit := new(exec.ExitError); errors.As(err, &exit) {
				return max(exit.ExitCode(), 1), nil
			}
			return 0, err
		}
	}
}
