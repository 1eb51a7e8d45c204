package pgserver

import (
	"errors"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// tree returns what sends sig to the server's first process and to its children. The
// first is frozen meanwhile, so that it makes no others.
func tree(sig private.Signal) func(pid int) error {
	return func(pid int) error {
		if err := private.Freeze.Send(pid); err != nil {
			return err
		}
		pids, err := children(pid)
		if err != nil {
			return errors.Join(err, private.Thaw.Send(pid))
		}
		for _, child := range pids {
			if err := sig.Send(child); err != nil {
				return err
			}
		}
		return sig.Send(pid)
	}
}
