// Package fleet runs parts of a measure in processes of their own: this program, started
// again in a role. Parent and child exchange JSON values over the child's standard input
// and output.
package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// Process is a child, seen from its parent. One goroutine at a time sends, and one
// receives.
type Process struct {
	cmd   *exec.Cmd
	input io.Closer
	in    *json.Encoder
	out   *json.Decoder
}

// Start starts a process in a role and sends it cfg. It is killed when ctx ends, and
// ends of its own accord when this process does.
func Start(ctx context.Context, role string, cfg any) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, marker, role)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, input: input, in: json.NewEncoder(input), out: json.NewDecoder(output)}
	if err := p.Send(cfg); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Send sends the process a value.
func (p *Process) Send(v any) error { return p.in.Encode(v) }

// Receive waits for the next value from the process.
func (p *Process) Receive(v any) error {
	err := p.out.Decode(v)
	if errors.Is(err, io.EOF) {
		return errors.New("the other process has ended")
	}
	return err
}

// Instant waits for an instant. Both processes read the same clock; a step of it would
// spoil the figure.
func (p *Process) Instant() (time.Time, error) {
	var nanos int64
	err := p.Receive(&nanos)
	return time.Unix(0, nanos), err
}

// Close makes the process end, and waits for it.
func (p *Process) Close() error {
	_ = p.input.Close()
	if err := p.cmd.Wait(); err != nil {
		return fmt.Errorf("%s: %w", p.cmd.Args[2], err)
	}
	return nil
}
