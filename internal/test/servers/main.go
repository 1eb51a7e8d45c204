// Command servers runs a command with test servers: it starts a private
// PostgreSQL, names it in LEASEHOLD_TEST_POSTGRES_URL, runs the command, and
// removes the server again, also when it is interrupted or the command fails. Its
// exit status is the command's.
//
//	servers [--] COMMAND [ARG...]
//
// A LEASEHOLD_TEST_POSTGRES_URL that is set is left as it is, and nothing is
// started. As root on a Debian system it first installs the packages that are
// missing: the server, a pooler, a library that moves its clock, and the C compiler
// that the race detector needs.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/leaseholdgo/leasehold/internal/pgserver"
)

const variable = "LEASEHOLD_TEST_POSTGRES_URL"

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
	if os.Getenv(variable) == "" {
		server, err := pgserver.Start(context.Background(), pgserver.Config{})
		if err != nil {
			return 1, err
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
