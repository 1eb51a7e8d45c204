package fleet

import (
	"context"
	"errors"
	"fmt"
)

// Fleet is several processes in the same role.
type Fleet []*Process

// Launch starts n processes and waits until each has sent something: that it is ready.
func Launch(ctx context.Context, role string, n int, cfg func(i int) any) (Fleet, error) {
	var f Fleet
	for i := range n {
		p, err := Start(ctx, role, cfg(i))
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f = append(f, p)
	}
	for i, p := range f {
		if _, err := p.Instant(); err != nil {
			return nil, errors.Join(fmt.Errorf("process %d of role %s: %w", i, role, err), f.Close())
		}
	}
	return f, nil
}

// Close makes all processes end, and waits for them.
func (f Fleet) Close() error {
	var errs []error
	for _, p := range f {
		_ = p.input.Close() // all at once
	}
	for _, p := range f {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
