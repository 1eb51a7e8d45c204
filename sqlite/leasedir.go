package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/leaseholdgo/leasehold/driver"
)

// leaseDir is the directory with a file per lease, and the files of our own
// leases in it, which we keep locked.
type leaseDir struct {
	path string

	mu  sync.Mutex
	own map[driver.ID]*leaseFile // guarded by mu
}

// leaseFile is the file of a lease of ours, locked as long as it is open.
type leaseFile struct {
	*os.File
	beat uint64
}

// openLeaseDir makes the directory beside the database, or checks that the one
// there is safe.
func openLeaseDir(database string) (*leaseDir, error) {
	d := &leaseDir{path: database + ".leases", own: map[driver.ID]*leaseFile{}}
	if err := os.Mkdir(d.path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	dir, err := os.Lstat(d.path)
	if err != nil {
		return nil, err
	}
	db, err := os.Stat(database)
	if err != nil {
		return nil, err
	}
	if !dir.IsDir() || writableByOthers(dir.Mode()) || !trusted(dir, db) {
		return nil, fmt.Errorf("%s must be a directory that only the database's user may write to", d.path)
	}
	return d, nil
}

func (d *leaseDir) file(id driver.ID) string { return filepath.Join(d.path, id.String()) }

// lock makes and locks the file of a new lease of ours. Repeating it changes
// nothing. From then on the lease is alive, until the last descriptor goes.
func (d *leaseDir) lock(id driver.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.own[id]; ok {
		return nil
	}
	const tries = 10 // a sweep may take away a file that it finds not yet locked
	for range tries {
		f, err := lockNew(d.file(id))
		if errors.Is(err, fs.ErrNotExist) {
			err = os.Mkdir(d.path, 0o700) // the directory was deleted, and with it all leases
		}
		if err != nil {
			return err
		}
		if f != nil {
			d.own[id] = &leaseFile{File: f}
			return nil
		}
	}
	return driver.Permanent(fmt.Errorf("the lease file %s is locked by somebody else", d.file(id)))
}

// lockNew makes and locks a file. It returns nil if somebody else has it locked
// or took it away before it was locked.
func lockNew(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // close-on-exec, as all of package os
	if err != nil {
		return nil, err
	}
	locked, err := tryLock(f, exclusive)
	if err == nil && locked && sameFile(f, path) {
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

func sameFile(f *os.File, path string) bool {
	a, errA := f.Stat()
	b, errB := os.Stat(path)
	return errA == nil && errB == nil && os.SameFile(a, b)
}

// owned returns the locked file of one of our leases, or nil.
func (d *leaseDir) owned(id driver.ID) *os.File {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.own[id]; f != nil {
		return f.File
	}
	return nil
}

// kept reports whether the lease is ours and the others can still see so: its
// file is where it belongs.
func (d *leaseDir) kept(id driver.ID) bool {
	f := d.owned(id)
	return f != nil && sameFile(f, d.file(id))
}

// unlocked reports whether nobody keeps the file locked. Shared locks do not
// disturb each other, so any number may look at the same time.
func unlocked(f *os.File) bool {
	free, err := tryLock(f, shared)
	if err != nil || !free {
		return false
	}
	return unlock(f) == nil
}

// remove takes away the file of a lease that has ended. Our own descriptor is
// closed and not unlocked: a child that inherited it keeps its lock, on a file
// that nobody will look at again.
func (d *leaseDir) remove(id driver.ID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if f := d.own[id]; f != nil {
		f.Close() // first: Windows removes no open file
		delete(d.own, id)
	}
	if err := os.Remove(d.file(id)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close closes our descriptors. Leases that no child inherited are dead at once.
func (d *leaseDir) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, f := range d.own {
		f.Close()
		delete(d.own, id)
	}
}
