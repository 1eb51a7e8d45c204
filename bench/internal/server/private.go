package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Private is a server process with a directory of its own.
type Private struct {
	Addr string // host and port

	program string
	dir     string
	shell   *exec.Cmd // runs the server until its input ends
	input   io.Closer
}

// script runs a server until its input ends, which it does with whoever started it,
// however that ends.
const script = `
dir=$1; shift
"$@" >"$dir/log" 2>&1 </dev/null &
server=$!
while read -r _; do :; done
kill -KILL "$server" 2>/dev/null
wait "$server"
rm -rf "$dir"
`

func startPrivate(program, addr string, args func(dir string) []string) (*Private, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "leasehold-bench-")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", append([]string{"-c", script, program, dir, path}, args(dir)...)...)
	cmd.Dir, cmd.SysProcAttr = "/", detached()
	input, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		_ = os.RemoveAll(dir)
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return &Private{Addr: addr, program: program, dir: dir, shell: cmd, input: input}, nil
}

// await waits until check finds the server ready; if it does not become so, it is
// closed.
func (p *Private) await(ctx context.Context, check func() error) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
			continue
		case <-ctx.Done():
		}
		log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		_ = p.close()
		return fmt.Errorf("%s did not start: %w: %s", p.program, err, strings.TrimSpace(string(log)))
	}
}

func (p *Private) close() error {
	_ = p.input.Close()
	if err := p.shell.Wait(); err != nil {
		return fmt.Errorf("removing %s: %w", p.program, err)
	}
	return nil
}

// freeAddr returns an address that nobody listens at, so far.
func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
