//go:build unix

package sqlite

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/leaseholdgo/leasehold/driver"
)

func TestFileModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "leasehold")
	c := newClient(t, Open(filepath.Join(dir, "locks.db")))
	c.hold("a")
	want := map[string]fs.FileMode{
		filepath.Dir(dir):                      0o700 | fs.ModeDir,
		dir:                                    0o700 | fs.ModeDir,
		c.path:                                 0o600,
		c.path + "-wal":                        0o600,
		c.path + "-shm":                        0o600,
		c.path + ".leases":                     0o700 | fs.ModeDir,
		c.path + ".leases/" + c.lease.String(): 0o600,
	}
	for path, mode := range want {
		info, err := os.Stat(path)
		if err != nil {
			t.Error(err)
		} else if info.Mode() != mode {
			t.Errorf("%s has mode %v, want %v", path, info.Mode(), mode)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".leasehold-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestUnsafePlaces(t *testing.T) {
	dir := t.TempDir()
	make := func(name string, mode fs.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	refused(t, Open(filepath.Join(make("open", 0o777), "db")), "everybody may replace files")
	newClient(t, Open(filepath.Join(make("sticky", 0o777|fs.ModeSticky), "db")))
	newClient(t, Open(filepath.Join(make("group", 0o770), "db")))

	make("db1.leases", 0o770)
	refused(t, Open(filepath.Join(dir, "db1")), "only the database's user may write to")
	if err := os.Symlink(dir, filepath.Join(dir, "db2.leases")); err != nil {
		t.Fatal(err)
	}
	refused(t, Open(filepath.Join(dir, "db2")), "must be a directory")

	refused(t, Open(make("dir", 0o700)), "not a regular file")
	refused(t, Open(filepath.Join(dir, "db1", "below")), "not a directory")
	refused(t, Open(""), "not the path of a database file")
	refused(t, Open(":memory:"), "not the path of a database file")
}

// TestOneFileByManyNames: whatever path leads to the file, it is the same locks.
func TestOneFileByManyNames(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a?b%20c#d &=.db")
	first := newClient(t, Open(path))
	first.hold("a")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	second := newClient(t, Open(link))
	if _, granted := second.acquire("a"); granted {
		t.Error("two holders by two names")
	}
	if second.liveness("a", first.lease) != driver.Alive {
		t.Error("the holder looks dead by another name")
	}
	t.Chdir(dir)
	third := newClient(t, Open(filepath.Base(path)))
	if _, granted := third.acquire("a"); granted {
		t.Error("two holders by a relative name")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 4 {
		t.Errorf("in the directory: %v, want the database, two files of SQLite's and the leases", entries)
	}
}

func TestNetworkFilesystems(t *testing.T) {
	for magic, want := range map[uint32]string{0x6969: "nfs", 0xff534d42: "cifs", 0x01021997: "9p", 0x00c36400: "ceph", 0x0bd00bd0: "lustre"} {
		if magics[magic] != want {
			t.Errorf("magic %#x is %q, want %q", magic, magics[magic], want)
		}
	}
	for magic, name := range map[uint32]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x01021994: "tmpfs", 0x794c7630: "overlayfs", 0x2fc12fc1: "zfs"} {
		if kind, refused := magics[magic]; refused {
			t.Errorf("%s is taken for %s", name, kind)
		}
	}
	for kind, want := range map[string]bool{"fuse.sshfs": true, "virtiofs": true, "fuse.s3fs": true, "fuseblk": false, "fuse.bindfs": false, "ext4": false} {
		if remoteType(kind) != want {
			t.Errorf("remoteType(%q) is %v", kind, !want)
		}
	}
	if err := refuseNetwork(t.TempDir()); err != nil {
		t.Errorf("a local directory: %v", err)
	}
	if err := refuseNetwork(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing directory passes as local")
	}
}
