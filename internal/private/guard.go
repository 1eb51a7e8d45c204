package private

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// guard is a process that outlives us by a moment: when its standard input ends,
// which it does however we end, it ends the server and removes its directory.
type guard struct {
	cmd   *exec.Cmd
	input io.Closer
}

// KillByPidFile is the end of a program that writes its process id into the file pid of its
// directory, and whose command line names that.
const KillByPidFile = `
pid=$(head -n 1 "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && grep -q -- "$1" "/proc/$pid/cmdline" 2>/dev/null; then
	kill -KILL "$pid" 2>/dev/null
fi
`

// HasWritten reports whether the file that KillByPidFile reads names the process: it tells it
// from another server on its port, and from one that was killed.
func (p *Process) HasWritten(pid int) bool {
	written, err := os.ReadFile(filepath.Join(p.Dir, "pid"))
	return err == nil && strings.TrimSpace(string(written)) == strconv.Itoa(pid)
}

const (
	awaitEnd = `
trap '' INT TERM HUP
while read -r _; do :; done
`
	removeAll = `
for _ in 1 2 3 4 5; do
	rm -rf "$1" && exit 0
	sleep 0.2
done
exit 1
`
)

func startGuard(dir, end string) (*guard, error) {
	cmd := exec.Command("sh", "-c", awaitEnd+end+removeAll, "guard", dir)
	cmd.Dir = "/"
	cmd.SysProcAttr = (*Owner)(nil).Detached()
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the test server's guard: %w", err)
	}
	return &guard{cmd, input}, nil
}

// close makes the guard clean up, and waits for it. Calls after the first do
// nothing.
func (g *guard) close() error {
	if g.cmd.ProcessState != nil {
		return nil
	}
	_ = g.input.Close()
	if err := g.cmd.Wait(); err != nil {
		return fmt.Errorf("removing the test server's files: %w", err)
	}
	return nil
}
