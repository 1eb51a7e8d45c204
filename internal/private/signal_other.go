//go:build !unix

package private

import "errors"

// Signal is one that a test server gets.
type Signal int

const (
	Interrupt Signal = iota
	Quit
	Terminate
	Kill
	Freeze
	Thaw
)

// Send returns an error: private servers are for Unix.
func (Signal) Send(int) error { return errors.ErrUnsupported }
