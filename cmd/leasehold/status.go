package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
)

// Exit statuses, besides the command's own. Those from 64 on are of sysexits(3)
// where it has a fitting one.
const (
	statusUsage       = 64
	statusUnavailable = 69
	statusSoftware    = 70
	statusHeld        = 75
	statusConfig      = 78
	statusLost        = 79
	statusNotRunnable = 126
	statusNotFound    = 127
	statusSignal      = 128 // plus the number of the signal
)

// failure is an error with the exit status it leads to.
type failure struct {
	status int
	text   string
}

func (f *failure) Error() string { return f.text }

func misused(format string, args ...any) *failure {
	return &failure{statusUsage, fmt.Sprintf(format, args...)}
}

// fail writes the one line that says what went wrong and returns the exit status.
func fail(err error) int {
	if f, ok := errors.AsType[*failure](err); ok {
		say(f.text)
		return f.status
	}
	say(err.Error())
	return statusUsage
}

func say(text string) {
	if text != "" {
		fmt.Fprintln(os.Stderr, "leasehold: "+oneLine(text))
	}
}

// findCommand returns the path that command names, as a shell would find it.
func findCommand(command string) (string, error) {
	path, err := exec.LookPath(command)
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return "", notRunnable(command, err)
	}
	return path, nil
}

func notRunnable(command string, err error) *failure {
	var inner *exec.Error
	if errors.As(err, &inner) {
		err = inner.Err
	}
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, exec.ErrNotFound) {
		return &failure{statusNotFound, fmt.Sprintf("cannot run %q: not found", command)}
	}
	return &failure{statusNotRunnable, fmt.Sprintf("cannot run %q: %v", command, err)}
}
