//go:build !linux

package pgserver

import "errors"

func canMount() bool { return false }

func mount(string, int64) error { return errors.ErrUnsupported }
