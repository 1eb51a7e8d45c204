package pgserver

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
)

// CanLimitDisk reports whether this process may start servers with Config.Disk.
func CanLimitDisk() bool { return canMount() }

// mount makes the data directory, if it is to be a disk of its own.
func (s *Server) mount() error {
	if s.disk == 0 {
		return nil
	}
	if err := os.Mkdir(s.dataDir(), 0o700); err != nil {
		return err
	}
	if err := mount(s.dataDir(), s.disk); err != nil {
		return err
	}
	return s.process.Owner.Take(s.dataDir())
}

// Fill uses up the disk of a server with Config.Disk: it can write no more, and
// mostly ends, until Free.
func (s *Server) Fill() error {
	if s.disk == 0 {
		return errors.New("this server has no disk of its own")
	}
	f, err := os.OpenFile(s.fillFile(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, zeros{})
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// Free ends Fill. The server may be down: see Running.
func (s *Server) Free() error {
	err := os.Remove(s.fillFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// Running reports whether the server's first process runs.
func (s *Server) Running() bool { return s.process.Running() }

func (s *Server) fillFile() string { return filepath.Join(s.dataDir(), "fill") }

// zeros reads without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
