//go:build !linux && !darwin && !freebsd && !windows

package sqlite

// networkKind cannot tell here.
func networkKind(string) (string, error) { return "", nil }
