package sqlite

import "io/fs"

// openToAll always reports false: access is governed by lists that the mode does
// not show.
func openToAll(fs.FileMode) bool { return false }

func trusted(_, _ fs.FileInfo) bool { return true }
