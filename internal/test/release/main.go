// Command release makes the modules that users get ready for publication.
//
//	release VERSION DIR
//
// DIR/tree is the committed repository, but that the go.mod files of those modules require
// each other in the version, without the replacements that development needs: that is
// what is tagged. DIR/proxy serves the same modules: GOPROXY=file://DIR/proxy. What was in
// the two before is removed.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

// root is the path of the module in the repository's root; the others' begin with it.
const root = "github.com/leaseholdgo/leasehold"

// published are the directories of the modules that users get, by their own wish or
// because another one needs them.
var published = []string{".", "sqlite", "postgres", "mysql", "faults", "cmd/leasehold"}

func main() {
	if len(os.Args) != 3 || !semver.IsValid(os.Args[1]) || semver.Canonical(os.Args[1]) != os.Args[1] {
		fmt.Fprintln(os.Stderr, "usage: release vMAJOR.MINOR.PATCH DIR")
		os.Exit(64)
	}
	if err := release(".", os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

// release writes the tree and the proxy of the repository in src.
func release(src, version, dir string) error {
	tree, proxy := filepath.Join(dir, "tree"), filepath.Join(dir, "proxy")
	for _, made := range []string{tree, proxy} {
		if err := os.RemoveAll(made); err != nil {
			return err
		}
	}
	if err := export(src, tree); err != nil {
		return err
	}
	for _, at := range published {
		m := module.Version{Path: path(at), Version: version}
		if err := require(filepath.Join(tree, at, "go.mod"), version); err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
		if err := serve(proxy, m, filepath.Join(tree, at)); err != nil {
			return fmt.Errorf("%s: %w", m.Path, err)
		}
	}
	return nil
}

// path returns the path of the module in a directory of the repository.
func path(dir string) string {
	if dir == "." {
		return root
	}
	return root + "/" + dir
}
