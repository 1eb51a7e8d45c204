package proctree

import (
	"bytes"
	"errors"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// process is one line of /proc/PID/stat, see proc_pid_stat(5).
type process struct {
	pid    int
	parent int
	start  uint64 // clock ticks after boot; with pid, names a process uniquely
	dead   bool   // a zombie without living threads
}

// scan returns all processes that can be read. One that ends meanwhile is left
// out.
func scan() []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var all []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil {
			continue
		}
		if p, ok := read(pid); ok {
			all = append(all, p)
		}
	}
	return all
}

func read(pid int) (process, bool) {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	return parse(pid, line)
}

// Positions in the line after the command's name, which is in parentheses and
// may hold anything, parentheses and spaces included.
const (
	fieldState   = 0
	fieldParent  = 1
	fieldThreads = 17
	fieldStart   = 19
)

func parse(pid int, line []byte) (process, bool) {
	fields := bytes.Fields(line[bytes.LastIndexByte(line, ')')+1:])
	if len(fields) <= fieldStart {
		return process{}, false
	}
	parent, err := strconv.Atoi(string(fields[fieldParent]))
	start, err2 := strconv.ParseUint(string(fields[fieldStart]), 10, 64)
	if err != nil || err2 != nil {
		return process{}, false
	}
	// A leader that has ended is a zombie while its other threads live on.
	state, threads := fields[fieldState][0], string(fields[fieldThreads])
	dead := state == 'X' || state == 'Z' && (threads == "0" || threads == "1")
	return process{pid: pid, parent: parent, start: start, dead: dead}, true
}

// signal sends sig to p, and to nobody else if p has ended and its number was
// given to another process.
func (p process) signal(sig syscall.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		_ = syscall.Kill(p.pid, sig)
		return
	}
	if err != nil {
		return
	}
	defer unix.Close(fd)
	if now, ok := read(p.pid); ok && now.start == p.start {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0)
	}
}
