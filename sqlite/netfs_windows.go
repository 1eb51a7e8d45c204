package sqlite

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// networkKind returns "a network drive" if dir is on one, else "".
func networkKind(dir string) (string, error) {
	root, err := windows.UTF16PtrFromString(filepath.VolumeName(dir) + `\`)
	if err != nil {
		return "", err
	}
	if windows.GetDriveType(root) == windows.DRIVE_REMOTE {
		return "a network drive", nil
	}
	return "", nil
}
