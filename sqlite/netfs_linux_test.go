package sqlite

import (
	"strings"
	"testing"
)

func TestMountedType(t *testing.T) {
	const table = `22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
36 22 0:31 / /home/a\040b/remote rw,nosuid,nodev shared:17 master:2 - fuse.sshfs user@host:/ rw,user_id=0
broken
`
	for device, want := range map[[2]uint32]string{{254, 0}: "ext4", {0, 31}: "fuse.sshfs", {0, 3}: ""} {
		got, err := mountedType(strings.NewReader(table), device[0], device[1])
		if err != nil || got != want {
			t.Errorf("device %v: %q, %v, want %q", device, got, err, want)
		}
	}
	if kind, err := fuseKind(t.TempDir()); err != nil || kind != "" {
		t.Errorf("a local directory: %q, %v", kind, err)
	}
}
