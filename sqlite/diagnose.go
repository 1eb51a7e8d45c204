package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

var _ driver.Diagnoser = (*Store)(nil)

// Diagnose looks whether the file, its directories and its tables are fit to keep
// locks in, and returns what it found, in a fixed order. A file that does not exist
// is no problem: the first client makes it.
//
// It does not prove that locks work: it makes none. It makes no file and changes no
// table; to time commits it changes a row of its own tables and changes it back.
//
// An error means that there is nothing to look at: no path, or a database that is in
// memory. What takes longer than five seconds is a warning among the findings. It
// returns when ctx ends, but for a statement in progress.
func (s *Store) Diagnose(ctx context.Context) ([]driver.Finding, error) {
	x := &examination{store: s}
	if err := x.find(ctx); err != nil {
		return nil, driver.Permanent(err)
	}
	if x.info != nil && x.info.Mode().IsRegular() {
		leases := &leaseDir{path: x.path + ".leases", own: map[driver.ID]*leaseFile{}}
		conn, err := newConn(x.path, leases, checkLimit, false)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		x.conn = conn
	}
	return diagnosis.Run(ctx, checkLimit, x.checks()), ctx.Err()
}

// checkLimit bounds one check.
const checkLimit = 5 * time.Second

// examination is one call of Diagnose.
type examination struct {
	store *Store
	path  string      // of the file, without symbolic links if it exists
	info  fs.FileInfo // nil: there is no file
	conn  *conn       // nil: there is no file to connect to
	meta  meta        // zero: there are no tables that we can use
}

// find finds the file, and makes nothing.
func (x *examination) find(ctx context.Context) (err error) {
	switch {
	case x.store.db != nil:
		x.path, err = x.store.locate(ctx)
	case x.store.path == "" || x.store.path == ":memory:":
		err = errors.New("no path of a database file")
	default:
		x.path, err = filepath.Abs(x.store.path)
	}
	if err != nil {
		return err
	}
	if real, err := filepath.EvalSymlinks(x.path); err == nil {
		x.path = real
	}
	x.info, err = os.Stat(x.path)
	if missing(err) {
		err = nil
	}
	return err
}

// missing reports whether err says that there is no such file or directory.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) // a file stands where a directory should
}

// checks returns all of them, in the order of the findings. Those that need a file
// are left out where there is none.
func (x *examination) checks() []diagnosis.Check {
	all := []diagnosis.Check{
		{Name: "file", Run: x.file},
		{Name: "directory", Run: x.directory},
		{Name: "filesystem", Run: x.filesystem},
	}
	if x.conn != nil {
		all = append(all, []diagnosis.Check{
			{Name: "access", Run: x.access},
			{Name: "lease files", Run: x.leaseFiles},
			{Name: "journal mode", Run: x.journal},
			{Name: "synchronous", Run: x.synchronous},
			{Name: "schema", Run: x.schema},
			{Name: "integrity", Run: x.integrity},
			{Name: "leases", Run: x.leases},
			{Name: "size", Run: x.size},
			{Name: "commit latency", Run: x.commitLatency},
		}...)
	}
	for i, check := range all {
		all[i].Run = func(ctx context.Context) (driver.Finding, error) {
			finding, err := check.Run(ctx)
			if driver.IsPermanent(err) {
				return diagnosis.Problem("repair it, or use another file", "%v", err), nil
			}
			return finding, err
		}
	}
	return all
}
