package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// prepareFile makes the database file, empty, and its directory, where they are
// missing, and returns the file's path without symbolic links. Connections by
// whatever name then agree on the names beside it.
func prepareFile(path string) (string, error) {
	if path == "" || path == ":memory:" {
		return "", fmt.Errorf("%q is not the path of a database file", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	if err := checkDir(filepath.Dir(path)); err != nil {
		return "", err
	}
	if err := createFile(path); err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	if info, err := os.Stat(real); err != nil || !info.Mode().IsRegular() {
		return "", errors.Join(fmt.Errorf("%s is not a regular file", real), err)
	}
	return real, checkDir(filepath.Dir(real))
}

// checkDir refuses a directory in which locks would not be safe.
func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if openToAll(info.Mode()) {
		return fmt.Errorf("everybody may replace files in %s: use a directory that others cannot write to", dir)
	}
	return refuseNetwork(dir)
}

// createFile makes an empty file with mode 0600 unless there is one. It never
// holds a descriptor of a file by the name that SQLite opens: to close it would
// drop the POSIX locks of every connection of this process (fcntl(2)). So the
// file is made under another name and linked.
func createFile(path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), ".leasehold-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(draft.Name())
	if err := draft.Close(); err != nil {
		return err
	}
	err = os.Link(draft.Name(), path)
	if err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return createUnlinked(path)
}

// createUnlinked is for filesystems without hard links.
func createUnlinked(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}
