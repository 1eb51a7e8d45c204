package sqlite

import (
	"fmt"
	"strings"
)

// refuseNetwork returns an error if dir is on a filesystem that is known to be
// shared with other hosts, or whose locks are not those of one kernel.
func refuseNetwork(dir string) error {
	kind, err := networkKind(dir)
	if err != nil {
		return fmt.Errorf("cannot tell the filesystem of %s: %w", dir, err)
	}
	if kind == "" {
		return nil
	}
	return fmt.Errorf("%s is on a network filesystem (%s), where file locks cannot be relied on: use a local directory, or a database server", dir, kind)
}

// magics are the numbers by which Linux's statfs(2) tells network filesystems.
var magics = map[uint32]string{
	0x6969:     "nfs",
	0x517b:     "smb",
	0xff534d42: "cifs",
	0xfe534d42: "smb2",
	0x01021997: "9p",
	0x00c36400: "ceph",
	0x5346414f: "afs",
	0x6b414653: "afs",
	0x73757245: "coda",
	0x564c:     "ncp",
	0x0bd00bd0: "lustre",
	0x01161970: "gfs2",
	0x7461636f: "ocfs2",
	0x47504653: "gpfs",
	0x19830326: "beegfs",
	0x20030528: "orangefs",
	0xaad7aaea: "panfs",
	0xbeefdead: "snfs",
	0x61636673: "acfs",
	0x786f4256: "vboxsf",
	0xbacbacbc: "vmhgfs",
	0x7c7c6673: "prl_fs",
	0x013111a8: "ibrix",
}

// fuseMagic is shared by everything in user space, of which the mount table
// tells more.
const fuseMagic = 0x65735546

// remoteFUSE are the names, in the mount table, of filesystems in user space
// that reach over a network or out of a virtual machine.
var remoteFUSE = []string{
	"blobfuse", "blobfuse2", "ceph", "cephfs", "curlftpfs", "davfs", "fakeowner", "gcsfuse",
	"glusterfs", "goofys", "grpcfuse", "hdfs", "juicefs", "lizardfs", "mfs", "moosefs",
	"mount-s3", "osxfs", "prl_fs", "rclone", "s3fs", "seaweedfs", "smbnetfs", "sshfs",
	"virtiofs", "vmhgfs-fuse", "weed",
}

// remoteType reports whether a mount table's filesystem type ("fuse.sshfs")
// is one of remoteFUSE.
func remoteType(kind string) bool {
	name := strings.TrimPrefix(kind, "fuse.")
	for _, remote := range remoteFUSE {
		if strings.EqualFold(name, remote) {
			return true
		}
	}
	return false
}
