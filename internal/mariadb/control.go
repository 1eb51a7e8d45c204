package mariadb

import (
	"fmt"
	"time"
)

// stopTimeout bounds an orderly shutdown; after it the server is killed.
const stopTimeout = 30 * time.Second

// Stop shuts the server down in good order and waits until it has exited. A server that
// does not run is left alone; one that is frozen is thawed first.
func (s *Server) Stop() error {
	pid, exited := s.running()
	if pid == 0 {
		return nil
	}
	if err := s.Thaw(); err != nil {
		return err
	}
	if err := send(pid, terminate); err != nil {
		return err
	}
	select {
	case <-exited:
		return nil
	case <-time.After(stopTimeout):
		return fmt.Errorf("MariaDB was killed, it did not stop within %v: %w", stopTimeout, s.Kill())
	}
}

// Kill ends the server at once with SIGKILL, as a crash would, and waits until it is
// gone. What was committed durably is there after Restart.
func (s *Server) Kill() error {
	pid, exited := s.running()
	if pid == 0 {
		return nil
	}
	if err := send(pid, kill); err != nil {
		return err
	}
	<-exited
	return nil
}

// Freeze stops the server with SIGSTOP: connections stay open, new ones are accepted by
// the kernel, and nothing is ever answered.
func (s *Server) Freeze() error { return s.signal(freeze) }

// Thaw ends Freeze.
func (s *Server) Thaw() error { return s.signal(thaw) }

func (s *Server) signal(sig signal) error {
	pid, _ := s.running()
	if pid == 0 {
		return nil
	}
	return send(pid, sig)
}

// running returns the server's process id, 0 if it does not run, and what is closed
// when it exits.
func (s *Server) running() (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return 0, nil
	}
	select {
	case <-s.exited:
		return 0, s.exited
	default:
		return s.cmd.Process.Pid, s.exited
	}
}
