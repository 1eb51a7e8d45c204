//go:build unix

package main

import (
	"errors"
	"os"
	"syscall"
)

// starterMain is the process that becomes the command. It waits for one byte
// from the keeper, sent when the terminal has been handed over and the lock is
// still held, so that the command never runs a moment without either. If the
// keeper dies first, so does this process.
//
// Arguments: the descriptor to read, the path, the command's arguments.
func starterMain(args []string) int {
	if len(args) < 4 {
		return fail(misused(starterName + " is not for direct use"))
	}
	fd, ok := inherited(args[1])
	if !ok {
		return fail(misused(starterName + " is not for direct use"))
	}
	if n, _ := syscall.Read(fd, make([]byte, 1)); n != 1 {
		return statusLost
	}
	path, argv := args[2], args[3:]
	err := syscall.Exec(path, argv, os.Environ())
	if errors.Is(err, syscall.ENOEXEC) { // a script without "#!", as execvp(3) runs it
		err = syscall.Exec("/bin/sh", append([]string{"sh", path}, argv[1:]...), os.Environ())
	}
	return fail(notRunnable(argv[0], err))
}
