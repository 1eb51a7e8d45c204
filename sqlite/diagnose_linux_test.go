package sqlite

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

// A file, or a directory, that cannot be written to. (Root may write to all but what
// the system itself refuses.)
func TestHazard45_DiagnoseNoAccess(t *testing.T) {
	c := newClient(t, tempStore(t))
	if os.Geteuid() != 0 {
		if err := os.Chmod(c.path, 0o400); err != nil {
			t.Fatal(err)
		}
		examine(t, Open(c.path)).want(t, "access", driver.LevelProblem, "cannot be written to")
	}
	examine(t, Open("/proc/self/locks.db")).want(t, "directory", driver.LevelProblem, "may not make files")
}

func TestDiagnoseModes(t *testing.T) {
	c := newClient(t, tempStore(t))
	for _, m := range []struct {
		path, check string
		mode        fs.FileMode
		level       driver.Level
		word        string
	}{
		{c.path, "file", 0o666, driver.LevelWarning, "other users"},
		{filepath.Dir(c.path), "directory", 0o777, driver.LevelProblem, "everybody may replace"},
		{c.leases.path, "lease files", 0o777, driver.LevelProblem, "only the database's user"},
	} {
		info, err := os.Stat(m.path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(m.path, m.mode); err != nil {
			t.Fatal(err)
		}
		examine(t, Open(c.path)).want(t, m.check, m.level, m.word)
		if err := os.Chmod(m.path, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
	examine(t, Open(c.path)).wantAllOK(t)
}
