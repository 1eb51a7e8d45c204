package fleet

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// marker is the first argument of a process with a role.
const marker = "role"

// Parent is the parent, seen from its child.
type Parent struct {
	in  *json.Decoder
	out *json.Encoder
}

// Role is what a process does, until Next says that there is no more.
type Role func(ctx context.Context, parent *Parent) error

// Play plays the role that this process was started for. It reports whether there was
// one; if not, this is no child.
func Play(ctx context.Context, args []string, roles map[string]Role) (played bool, err error) {
	if len(args) != 3 || args[1] != marker {
		return false, nil
	}
	role, ok := roles[args[2]]
	if !ok {
		return true, fmt.Errorf("there is no role %q", args[2])
	}
	return true, role(ctx, &Parent{in: json.NewDecoder(os.Stdin), out: json.NewEncoder(os.Stdout)})
}

// Next waits for the next value and reports whether there is one.
func (p *Parent) Next(v any) (bool, error) {
	err := p.in.Decode(v)
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	return err == nil, err
}

// Config waits for the value that every role begins with.
func (p *Parent) Config(v any) error {
	ok, err := p.Next(v)
	if err == nil && !ok {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// Send sends a value.
func (p *Parent) Send(v any) error { return p.out.Encode(v) }

// Now sends this instant.
func (p *Parent) Now() error { return p.Send(time.Now().UnixNano()) }
