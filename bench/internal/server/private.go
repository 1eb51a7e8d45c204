package server

import (
	"context"
	"errors"
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
	ended   chan struct{} // closed when the server has ended
}

// script runs a server until its input ends, which it does with whoever started it,
// however that ends. Its output ends with the server.
const script = `
dir=$1; shift
"$@" 3>&1 >"$dir/log" 2>&1 </dev/null &
server=$!
exec >/dev/null
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
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", program, err), os.RemoveAll(dir))
	}
	p := &Private{Addr: addr, program: program, dir: dir, shell: cmd, input: input, ended: make(chan struct{})}
	go func() { // ends with the server
		_, _ = io.Copy(io.Discard, output)
		close(p.ended)
	}()
	return p, nil
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
		case <-p.ended:
		case <-ctx.Done():
		}
		log, _ := os.ReadFile(filepath.Join(p.dir, "log"))
		_ = p.close()
		return fmt.Errorf("%s did not start: %w: %s", p.program, err, strings.TrimSpace(string(log)))
	}
}

func (p *Private) close() error {
	_ = p.input.Close()
	<-p.ended
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
