//go:build unix

package fleet

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"syscall"
)

// halt stops a process, and proceed continues it. One that has exited is left
// alone.
func halt(p *os.Process) error    { return signal(p, syscall.SIGSTOP) }
func proceed(p *os.Process) error { return signal(p, syscall.SIGCONT) }

func signal(p *os.Process, s syscall.Signal) error {
	if err := p.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	return nil
}

// stopped reports whether a process is stopped; see proc_pid_stat(5).
func stopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && bytes.HasPrefix(stat[bytes.LastIndexByte(stat, ')')+1:], []byte(" T"))
}
