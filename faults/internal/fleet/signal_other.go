//go:build !unix

package fleet

import (
	"errors"
	"os"
)

func halt(*os.Process) error    { return errors.ErrUnsupported }
func proceed(*os.Process) error { return errors.ErrUnsupported }
func stopped(int) bool          { return false }
