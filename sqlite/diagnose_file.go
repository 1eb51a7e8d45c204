package sqlite

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/leaseholdgo/leasehold/driver"
	"github.com/leaseholdgo/leasehold/internal/diagnosis"
)

const localDirectory = "use a local directory, or a database server"

func (x *examination) file(context.Context) (driver.Finding, error) {
	switch {
	case x.info == nil:
		return diagnosis.OK("%s does not exist: the first client makes it", x.path), nil
	case !x.info.Mode().IsRegular():
		return diagnosis.Problem("name a file", "%s is not a regular file", x.path), nil
	case writableByOthers(x.info.Mode()):
		return diagnosis.Warning("chmod go-w, unless all of them are meant to use the locks",
			"%s can be written to by other users (mode %04o)", x.path, x.info.Mode().Perm()), nil
	}
	return diagnosis.OK("%s, mode %04o", x.path, x.info.Mode().Perm()), nil
}

// access looks whether the file can be written to by us.
func (x *examination) access(ctx context.Context) (driver.Finding, error) {
	_, err := do(ctx, x.conn, x.conn.writer, func() (struct{}, error) {
		return struct{}{}, x.conn.writer.writable()
	})
	if err != nil {
		return driver.Finding{}, err
	}
	return diagnosis.OK("the file can be written to"), nil
}

func (x *examination) directory(context.Context) (driver.Finding, error) {
	dir, info, err := x.nearest()
	switch {
	case err != nil:
		return driver.Finding{}, err
	case !info.IsDir():
		return diagnosis.Problem("name a file in a directory", "%s is not a directory", dir), nil
	case !mayMakeFiles(dir):
		return diagnosis.Problem("use another directory, or another user", "this user may not make files in %s", dir), nil
	case dir != filepath.Dir(x.path):
		return diagnosis.OK("the first client makes it, in %s", dir), nil
	case openToAll(info.Mode()):
		return diagnosis.Problem("use a directory that others cannot write to", "everybody may replace files in %s", dir), nil
	}
	return diagnosis.OK("%s, mode %04o", dir, info.Mode().Perm()), nil
}

// nearest returns the file's directory, or the one above it that exists.
func (x *examination) nearest() (string, fs.FileInfo, error) {
	for dir := filepath.Dir(x.path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if !missing(err) || dir == filepath.Dir(dir) {
			return dir, info, err
		}
	}
}

func (x *examination) filesystem(context.Context) (driver.Finding, error) {
	dir, _, err := x.nearest()
	if err != nil {
		return driver.Finding{}, err
	}
	kind, err := networkKind(dir)
	if err != nil {
		return driver.Finding{}, err
	}
	return kindFinding(kind), nil
}

func kindFinding(kind string) driver.Finding {
	if kind != "" {
		return diagnosis.Problem(localDirectory,
			"it is on a network filesystem (%s), where file locks cannot be relied on", kind)
	}
	return diagnosis.OK("not known to be shared with other hosts")
}

// leaseFiles looks at the directory beside the file.
func (x *examination) leaseFiles(context.Context) (driver.Finding, error) {
	dir := x.conn.leases.path
	info, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return diagnosis.OK("the first client makes the directory %s", dir), nil
	case err != nil:
		return driver.Finding{}, err
	case !info.IsDir() || writableByOthers(info.Mode()) || !trusted(info, x.info):
		return diagnosis.Problem("remove it while no client runs, or correct its owner and mode",
			"%s is not a directory that only the database's user may write to", dir), nil
	}
	return diagnosis.OK("%s, mode %04o", dir, info.Mode().Perm()), nil
}
