package mariadb

import (
	"errors"

	"github.com/leaseholdgo/leasehold/internal/private"
)

// Stop shuts the server down in good order and waits until it has exited. A server that
// does not run is left alone; one that is frozen is thawed first.
func (s *Server) Stop() error {
	return s.process.Stop(func(pid int) error {
		return errors.Join(private.Thaw.Send(pid), private.Terminate.Send(pid))
	}, s.Kill)
}

// Kill ends the server at once with SIGKILL, as a crash would, and waits until it is
// gone. What was committed durably is there after Restart.
func (s *Server) Kill() error { return s.process.Kill(private.Kill.Send) }

// Freeze stops the server with SIGSTOP: connections stay open, new ones are accepted by
// the kernel, and nothing is ever answered.
func (s *Server) Freeze() error { return s.process.Signal(private.Freeze.Send) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.process.Signal(private.Thaw.Send) }
