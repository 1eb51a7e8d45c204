package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
)

// otherRole does nothing: there is one process here.
func otherRole([]string) (status int, ok bool) { return 0, false }

// runJob runs the command under the lock and returns the exit status. It kills
// the command's own process when the lock ends; its descendants, and the command
// of a leasehold that was itself killed, run on.
func runJob(j job) int { return stand(j).status }

// stand waits for the locks and runs the command under it, once.
func stand(j job) candidacy {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	g := acquire(ctx, j, say)
	if g.err != nil {
		if ctx.Err() != nil {
			return candidacy{status: statusSignal + interrupt}
		}
		status, text := exitOf(g.err, j)
		say(text)
		return candidacy{status: status}
	}
	defer g.close(j.TTL)
	return candidacy{status: runUnder(j, g), began: true}
}

func runUnder(j job, g grant) int {
	cmd := exec.CommandContext(g.any, j.Path, j.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = commandEnv(os.Environ(), j, g.locks)
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case g.lostCause() != nil:
		return fail(&failure{statusLost, lossLine(g.lostCause(), j)})
	case errors.As(err, &exit):
		return exit.ExitCode()
	case err != nil:
		return fail(notRunnable(j.Args[0], err))
	}
	return 0
}
